import ts from 'typescript';

/** The comment above the test that is the diagram of its operator. */
export const TAG = '// @diagram';

/** The text of one test, and the names that it gives to things. */
export class TestText {
  readonly title: string;
  /** What stands in its comments. */
  readonly notes: readonly string[];
  readonly #body: ts.Block;
  readonly #constants: ReadonlyMap<string, ts.Expression>;
  readonly #operators: ReadonlySet<string>;

  /** Of the test that is tagged. */
  constructor(code: string) {
    const file = ts.createSourceFile('test.ts', code, ts.ScriptTarget.ES2022, true);
    const [title, test] = this.#tagged(file).arguments;
    const run = test !== undefined && ts.isCallExpression(test) ? test.arguments[0] : undefined;
    if (title === undefined || !ts.isStringLiteralLike(title) || run === undefined || !ts.isArrowFunction(run) || !ts.isBlock(run.body)) {
      throw new Error('A diagram is a test in virtual time, with a title.');
    }
    this.title = title.text;
    this.notes = run.body.statements.flatMap((statement) => commentsAbove(statement).map((comment) => comment.replace(/^\/\/ /, '')));
    this.#body = run.body;
    this.#constants = new Map([file, run.body].flatMap(constantsIn));
    this.#operators = new Set(file.statements.filter(ts.isImportDeclaration).flatMap(operatorsOf));
  }

  /** Each `expectObservable(…).toBe(…)` and `expectSubscriptions(…).toBe(…)`, in their order. */
  expectations(kind: 'expectObservable' | 'expectSubscriptions'): Expectation[] {
    return callsIn(this.#body).flatMap(({ expression, arguments: [marbles, values] }) => {
      if (!ts.isPropertyAccessExpression(expression) || expression.name.text !== 'toBe' || marbles === undefined) return [];
      const { expression: expecting } = expression;
      if (!ts.isCallExpression(expecting) || expecting.expression.getText() !== kind) return [];
      const [actual] = expecting.arguments;
      if (actual === undefined) return [];
      return [{ actual, marbles: ts.isArrayLiteralExpression(marbles) ? [...marbles.elements] : [marbles], values }];
    });
  }

  /** The names of what it takes marbles from, in the order in which the test makes them. */
  sourcesOf(actual: ts.Expression): string[] {
    const used = new Set<string>();
    this.#visit(actual, (node) => {
      if (ts.isIdentifier(node) && this.source(node.text) !== undefined) used.add(node.text);
    });
    return [...this.#constants.keys()].filter((name) => used.has(name));
  }

  /** The arguments of the `hot(…)` or `cold(…)` that has this name. */
  source(name: string): readonly ts.Expression[] | undefined {
    const made = this.#constants.get(name);
    return made !== undefined && ts.isCallExpression(made) && /^(hot|cold)$/.test(made.expression.getText()) ? made.arguments : undefined;
  }

  /** Our operators in its pipes, as they are called. */
  operatorsOf(actual: ts.Expression): string[] {
    const found: string[] = [];
    this.#visit(actual, (node) => {
      if (!ts.isCallExpression(node) || !node.expression.getText().endsWith('.pipe')) return;
      const calls = node.arguments.filter(ts.isCallExpression).filter((call) => this.#operators.has(call.expression.getText()));
      found.push(...calls.map((call) => call.getText().replace(/\s+/g, ' ')));
    });
    return found;
  }

  /** The text of a line of marbles: of a literal, or of the name of one. */
  marbles(expression: ts.Expression | undefined): string {
    const literal = this.#resolved(expression);
    if (literal === undefined || !ts.isStringLiteralLike(literal))
      throw new Error('A line of a diagram is a literal, or has the name of one.');
    return literal.text;
  }

  /** What marbles stand for, as far as the test says it in words or numbers. */
  values(expression: ts.Expression | undefined): Map<string, string> {
    const literal = this.#resolved(expression);
    if (literal === undefined || !ts.isObjectLiteralExpression(literal)) return new Map();
    return new Map(
      literal.properties.flatMap((property) => {
        if (!ts.isPropertyAssignment(property)) return [];
        const { name, initializer } = property;
        if (ts.isStringLiteralLike(initializer)) return [[name.getText(), initializer.text]];
        return /^(true|false|\d+)$/.test(initializer.getText()) ? [[name.getText(), initializer.getText()]] : [];
      }),
    );
  }

  #tagged(file: ts.SourceFile): ts.CallExpression {
    const tests = callsIn(file).filter(
      (call) => call.expression.getText() === 'it' && ts.isExpressionStatement(call.parent) && commentsAbove(call.parent).includes(TAG),
    );
    const [test, ...more] = tests;
    if (test === undefined || more.length > 0)
      throw new Error(`Write \`${TAG}\` above the one \`it(…)\` that is the diagram of its operator.`);
    return test;
  }

  #resolved(expression: ts.Expression | undefined): ts.Expression | undefined {
    return expression && (this.#constants.get(expression.getText()) ?? expression);
  }

  /** Through the names of Observables, too. */
  #visit(node: ts.Node, see: (node: ts.Node) => void): void {
    see(node);
    const made = ts.isIdentifier(node) && node.text.endsWith('$') ? this.#constants.get(node.text) : undefined;
    if (made !== undefined) this.#visit(made, see);
    ts.forEachChild(node, (child) => {
      this.#visit(child, see);
    });
  }
}

export interface Expectation {
  /** What is observed. */
  readonly actual: ts.Expression;
  readonly marbles: readonly ts.Expression[];
  readonly values: ts.Expression | undefined;
}

function callsIn(node: ts.Node): ts.CallExpression[] {
  const found: ts.CallExpression[] = [];
  const visit = (one: ts.Node): void => {
    if (ts.isCallExpression(one)) found.push(one);
    ts.forEachChild(one, visit);
  };
  visit(node);
  return found;
}

function constantsIn({ statements }: ts.SourceFile | ts.Block): [name: string, made: ts.Expression][] {
  const declared = statements.filter(ts.isVariableStatement).flatMap(({ declarationList }) => declarationList.declarations);
  return declared.flatMap(({ name, initializer }) => (initializer === undefined ? [] : [[name.getText(), initializer]]));
}

/** The operators and sinks that a test imports. */
function operatorsOf({ moduleSpecifier, importClause }: ts.ImportDeclaration): string[] {
  const names = importClause?.namedBindings;
  if (!/\/src\/(operators|sinks)\//.test(moduleSpecifier.getText()) || names === undefined || !ts.isNamedImports(names)) return [];
  return names.elements.map(({ name }) => name.text);
}

function commentsAbove(node: ts.Node): string[] {
  const { text } = node.getSourceFile();
  return (ts.getLeadingCommentRanges(text, node.getFullStart()) ?? []).map(({ pos, end }) => text.slice(pos, end));
}
