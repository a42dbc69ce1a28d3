import { describe, expect, test } from '@jest/globals';
import fc from 'fast-check';
import { arbitraryTablePair } from '#proxy/table/testing/arbitrary.ts';
import { versionOf } from '../publish/testing/version-of.ts';
import { TableSummaries } from './table-summary.ts';

const noPause = async () => {};

describe('TableSummaries', () => {
  test('a summary that builds on an earlier one is that of the table alone', async () => {
    await fc.assert(
      fc.asyncProperty(arbitraryTablePair, async ([first, second]) => {
        const before = versionOf(first);
        const after = versionOf(second, before);
        const summaries = new TableSummaries(noPause);
        await summaries.summarize(before);
        expect(await summaries.summarize(after)).toEqual(
          await new TableSummaries(noPause).summarize(versionOf(second)),
        );
      }),
    );
  });
});
