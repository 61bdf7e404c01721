import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import ts from 'typescript';

/** What a package's user can import from, and the file that says what is there. */
export const ENTRIES = { 'kafka-rx': 'index', 'kafka-rx/testing': 'testing/index' } as const;

export type Entry = keyof typeof ENTRIES;

/** The name of an entry's report in `api/`. */
export function fileOf(entry: Entry): string {
  return `${entry.replace('kafka-rx/', '')}.api.md`;
}

/**
 * The public names of each entry with their full signatures, from the declarations that users get.
 *
 * Types that a signature speaks of and that nobody can import are part of it; they stand below the names.
 */
export async function reports(root: string): Promise<Map<Entry, string>> {
  const { program, folder } = declarations(root);
  const checker = program.getTypeChecker();
  const found = new Map<Entry, string>();
  /** What has been told, by one of the entries. */
  const told = new Set<ts.Symbol>();
  for (const entry of Object.keys(ENTRIES) as Entry[]) {
    const file = program.getSourceFile(join(folder, `${ENTRIES[entry]}.d.ts`));
    const module = file && checker.getSymbolAtLocation(file);
    if (module === undefined) throw new Error(`${entry} has no declarations: mend what \`npm run build\` complains about.`);
    const names = checker.getExportsOfModule(module);
    const symbols = names.map((name) => resolved(name, checker));
    for (const symbol of symbols) told.add(symbol);
    const reached = reachedFrom(symbols, { program, folder, told });
    const importable = names.map((name, i) => printed(symbols[i] as ts.Symbol, ...notesOn(name, symbols[i] as ts.Symbol)));
    const text = markdown(
      entry,
      importable,
      reached.map((symbol) => printed(symbol)),
    );
    const config = await resolveConfig(join(root, 'package.json'));
    found.set(entry, await format(text, { ...config, parser: 'markdown' }));
  }
  return found;
}

/** A program of the declarations alone, as `npm run build` would write them, in memory. */
function declarations(root: string): { program: ts.Program; folder: string } {
  const { config } = ts.readConfigFile(join(root, 'tsconfig.dist.json'), (path) => ts.sys.readFile(path)) as { config: object };
  const { options } = ts.parseJsonConfigFileContent(config, ts.sys, root);
  const sources = Object.values(ENTRIES).map((entry) => join(root, 'src', `${entry}.ts`));
  const texts = new Map<string, string>();
  ts.createProgram(sources, { ...options, incremental: false }).emit(undefined, (path, text) => texts.set(path, text), undefined, true);
  const host = ts.createCompilerHost(options);
  host.fileExists = (path) => texts.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => texts.get(path) ?? ts.sys.readFile(path);
  const folder = join(root, 'dist');
  host.directoryExists = (path) => path.startsWith(folder) || ts.sys.directoryExists(path);
  const roots = Object.values(ENTRIES).map((entry) => join(folder, `${entry}.d.ts`));
  return { program: ts.createProgram(roots, { ...options, incremental: false, rootDir: folder, noEmit: true }, host), folder };
}

interface Surroundings {
  readonly program: ts.Program;
  readonly folder: string;
  readonly told: Set<ts.Symbol>;
}

/** What the declarations of these speak of, and what those speak of, as far as it is ours and has not been told. */
function reachedFrom(names: readonly ts.Symbol[], { program, folder, told }: Surroundings): ts.Symbol[] {
  const checker = program.getTypeChecker();
  const reached: ts.Symbol[] = [];
  const visit = (node: ts.Node): void => {
    const named = ts.isIdentifier(node) ? checker.getSymbolAtLocation(node) : undefined;
    const symbol = named && resolved(named, checker);
    if (symbol !== undefined && !told.has(symbol) && isOurs(symbol, folder)) {
      told.add(symbol);
      reached.push(symbol);
      statements(symbol).forEach(visit);
    }
    ts.forEachChild(node, visit);
  };
  names.flatMap(statements).forEach(visit);
  return reached;
}

function resolved(symbol: ts.Symbol, checker: ts.TypeChecker): ts.Symbol {
  return (symbol.flags & ts.SymbolFlags.Alias) === 0 ? symbol : checker.getAliasedSymbol(symbol);
}

/** Something at the top of one of our modules: neither a member nor a parameter. */
function isOurs({ declarations = [] }: ts.Symbol, folder: string): boolean {
  return declarations.some((one) => one.getSourceFile().fileName.startsWith(folder) && ts.isSourceFile(statementOf(one).parent));
}

function statements({ declarations = [] }: ts.Symbol): ts.Node[] {
  return declarations.map(statementOf);
}

/** What declares it, with the words before it: a constant's statement. */
function statementOf(declaration: ts.Declaration): ts.Node {
  return ts.isVariableDeclaration(declaration) ? declaration.parent.parent : declaration;
}

/** What the declaration alone does not tell about a public name. */
function notesOn({ declarations = [] }: ts.Symbol, { flags }: ts.Symbol): string[] {
  const [specifier] = declarations.filter(ts.isExportSpecifier);
  if (specifier === undefined) return [];
  const isType = specifier.isTypeOnly || specifier.parent.parent.isTypeOnly;
  return [
    ...(specifier.propertyName === undefined ? [] : [`// as ${specifier.name.text}`]),
    ...(isType && (flags & ts.SymbolFlags.Value) !== 0 ? ['// as a type only'] : []),
  ];
}

/** Without its comments. */
function printed(symbol: ts.Symbol, ...notes: readonly string[]): Printed {
  const printer = ts.createPrinter({ removeComments: true });
  const signatures = statements(symbol).map((node) => printer.printNode(ts.EmitHint.Unspecified, node, node.getSourceFile()));
  return { name: symbol.name, text: [...notes, ...signatures.map((text) => text.replace(/^export /, ''))].join('\n') };
}

interface Printed {
  readonly name: string;
  readonly text: string;
}

function markdown(entry: Entry, names: readonly Printed[], reached: readonly Printed[]): string {
  const parts = [`# ${entry}`, 'Written by `npm run api`: every public name with its signature.', block(names)];
  if (reached.length > 0) parts.push('What these speak of, and nobody can import:', block(reached));
  return `${parts.join('\n\n')}\n`;
}

function block(all: readonly Printed[]): string {
  const sorted = [...all].sort((a, b) => (a.name < b.name ? -1 : 1));
  return ['```ts', sorted.map(({ text }) => text).join('\n\n'), '```'].join('\n');
}
