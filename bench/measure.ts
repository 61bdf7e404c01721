import { contest } from './contest.js';
import type { Bench, Contest } from './contest.js';
import type { CaseResult } from './results.js';
import { interleave } from './rounds.js';
import type { Scenario } from './scenarios.js';

/** All rounds of a case, then the next case; where cases are compared with each other, each round goes through all of them. */
export async function measure(bench: Bench, { title, figure, cases, compares }: Scenario, id: string): Promise<CaseResult[]> {
  const results: CaseResult[] = [];
  for (const group of compares === undefined ? cases.map((one) => [one]) : [cases]) {
    const contests: Contest[] = [];
    for (const one of group) {
      bench.say(`\n${title}: ${one.name}`);
      contests.push(await contest(bench, figure, one, `${id}-${cases.indexOf(one)}`));
    }
    await interleave(contests, bench.rounds);
    results.push(...contests.map((one) => one.result()));
  }
  return results;
}
