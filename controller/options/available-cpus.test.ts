// The default number of workers in containers with and without a CPU limit.

import { expect, test } from '@jest/globals';
import { availableCpus } from './available-cpus.ts';

const V2 = '/sys/fs/cgroup/cpu.max';
const V1 = '/sys/fs/cgroup/cpu';
const V1_JOINT = '/sys/fs/cgroup/cpu,cpuacct';

test.each<[string, Record<string, string>, number, number]>([
  ['no cgroup files: the machine', {}, 8, 8],
  ['v2 without limit', { [V2]: 'max 100000\n' }, 8, 8],
  ['v2, two cores', { [V2]: '200000 100000\n' }, 8, 2],
  ['v2, one and a half cores round up', { [V2]: '150000 100000\n' }, 8, 2],
  ['v2, a tenth of a core is still one worker', { [V2]: '10000 100000\n' }, 8, 1],
  ['v2, a limit above the machine', { [V2]: '1600000 100000\n' }, 8, 8],
  ['v2, content that nobody expects', { [V2]: 'what?\n' }, 8, 8],
  ['v1 without limit', { [`${V1}/cpu.cfs_quota_us`]: '-1\n', [`${V1}/cpu.cfs_period_us`]: '100000\n' }, 4, 4],
  ['v1, three cores', { [`${V1}/cpu.cfs_quota_us`]: '300000\n', [`${V1}/cpu.cfs_period_us`]: '100000\n' }, 4, 3],
  [
    'v1, joint mount',
    { [`${V1_JOINT}/cpu.cfs_quota_us`]: '50000\n', [`${V1_JOINT}/cpu.cfs_period_us`]: '100000\n' },
    4,
    1,
  ],
  ['v1, period missing', { [`${V1}/cpu.cfs_quota_us`]: '300000\n' }, 4, 4],
  ['v1, period zero', { [`${V1}/cpu.cfs_quota_us`]: '300000\n', [`${V1}/cpu.cfs_period_us`]: '0\n' }, 4, 4],
])('%s', (_, files, machineCores, want) => {
  expect(availableCpus((file) => files[file] ?? null, machineCores)).toBe(want);
});

test('reads this machine without failing', () => {
  expect(availableCpus()).toBeGreaterThanOrEqual(1);
});
