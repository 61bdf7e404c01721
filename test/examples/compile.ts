import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as rxjs from 'rxjs';
import ts from 'typescript';
import * as kafkaRx from '../../src/index.js';
import * as testing from '../../src/testing/index.js';
import type { Snippet } from './snippets.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PACKAGES = { 'kafka-rx': './src/index.js', 'kafka-rx/testing': './src/testing/index.js', 'rxjs': 'rxjs' } as const;
const EXPORTS = { 'kafka-rx': Object.keys(kafkaRx), 'kafka-rx/testing': Object.keys(testing), 'rxjs': Object.keys(rxjs) } as const;

/** What a reader of an example takes for granted. */
const PRELUDE = `
declare const kafka: import('./src/index.js').Kafka;
declare const offsets: import('./src/index.js').OffsetStore;
declare const orders$: import('rxjs').Observable<import('./src/index.js').KafkaRecord>;
declare const records$: typeof orders$;
declare const group: string;
declare const work: import('rxjs').MonoTypeOperatorFunction<import('./src/index.js').KafkaRecord>;
declare const traces: import('./src/index.js').Tracing;
declare function charge(order: unknown): Promise<string>;
interface Order { readonly total: number }
type KafkaRecord = import('./src/index.js').KafkaRecord;
`;

/** The types of all examples, checked at once; for each the complaints of the compiler. */
export function typeErrors(snippets: readonly Snippet[]): Map<string, string[]> {
  const config = ts.readConfigFile(join(ROOT, 'tsconfig.json'), (path) => ts.sys.readFile(path)).config as object;
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, ROOT);
  // An example need not use all that it makes.
  const host = ts.createCompilerHost({ ...options, noUnusedLocals: false, incremental: false });
  const files = new Map(snippets.map((snippet, index) => [join(ROOT, `example-${index}.ts`), { snippet, text: asModule(snippet) }]));
  const getSourceFile = host.getSourceFile.bind(host);
  const fileExists = host.fileExists.bind(host);
  host.getSourceFile = (name, ...rest) => {
    const example = files.get(name);
    return example === undefined ? getSourceFile(name, ...rest) : ts.createSourceFile(name, example.text, ts.ScriptTarget.ES2022);
  };
  host.fileExists = (name) => files.has(name) || fileExists(name);
  const program = ts.createProgram([...files.keys()], { ...options, noUnusedLocals: false, incremental: false, noEmit: true }, host);
  const found = new Map<string, string[]>();
  // What is wrong elsewhere is told by `tsc`.
  for (const [name, { snippet }] of files) {
    const file = program.getSourceFile(name);
    const wrong = [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)];
    found.set(
      snippet.where,
      wrong.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n')),
    );
  }
  return found;
}

/** The example as a function of the names that it uses, and of `run`, which gets its last expression, or the last thing that it makes. */
export function toFunction({
  code,
}: Snippet): (names: Readonly<Record<string, unknown>>, run: (made: unknown) => Promise<void>) => Promise<void> {
  const { body } = split(code);
  const last = ts.createSourceFile('example.ts', body, ts.ScriptTarget.ES2022, true).statements.at(-1);
  let text = body;
  if (last !== undefined && ts.isExpressionStatement(last) && !ts.isAwaitExpression(last.expression)) {
    text = `${body.slice(0, last.getStart())}await run(${last.expression.getText()});`;
  } else if (last !== undefined && ts.isVariableStatement(last)) {
    text = `${body}\nawait run(${last.declarationList.declarations[0]?.name.getText() ?? ''});`;
  }
  const { outputText } = ts.transpileModule(`async function example() {${text}\n}`, {
    compilerOptions: { target: ts.ScriptTarget.ES2022 },
  });
  return (names, run) => {
    // A scope of its own, for an example may give one of the names to something that it makes.
    // eslint-disable-next-line @typescript-eslint/no-implied-eval
    const call = new Function('run', ...Object.keys(names), `${outputText}; return example();`) as (...values: unknown[]) => Promise<void>;
    return call(run, ...Object.values(names));
  };
}

function asModule({ code }: Snippet): string {
  const { imports, body } = split(code);
  // Doc comments leave the imports to the reader.
  const named = new Set(imports.flatMap(({ names }) => names));
  const lines = imports.map(({ names, from }) => `import { ${names.join(', ')} } from '${PACKAGES[from]}';`);
  for (const [from, names] of Object.entries(EXPORTS)) {
    const used = names.filter((name) => !named.has(name) && new RegExp(`(?<![.\\w$])${name.replace('$', '\\$')}\\b`).test(body));
    // What two packages have comes from the first.
    for (const name of used) named.add(name);
    if (imports.length === 0 && used.length > 0)
      lines.push(`import { ${used.join(', ')} } from '${PACKAGES[from as keyof typeof PACKAGES]}';`);
  }
  return `${lines.join('\n')}\n${PRELUDE}\nexport async function example() {\n${body}\n}\n`;
}

function split(code: string): { imports: { names: string[]; from: keyof typeof PACKAGES }[]; body: string } {
  const imports: { names: string[]; from: keyof typeof PACKAGES }[] = [];
  const body = code.replace(/^import \{ (.*) \} from '(.*)';\n/gm, (_line, names: string, from: string) => {
    imports.push({ names: names.split(', '), from: from as keyof typeof PACKAGES });
    return '';
  });
  return { imports, body };
}
