// Which addresses and names a lab may use, so that several runs on one machine do not meet, and nothing of a run that
// died stays behind.
//
// A block is a /22 of 198.18.0.0/15 (RFC 2544: networks for benchmarks, in use nowhere else). Whoever makes the block's
// owner file first has it; an owner whose process is gone has lost it, with everything it had made.

import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, tryIp } from './commands.ts';

const BLOCKS = 128;

export interface Claim {
  /** All namespaces of the lab are called `<prefix>-...`. */
  readonly prefix: string;
  /** The lab's interface in the namespace of this process. */
  readonly hostInterface: string;
  /** The address number `host` of the block, from 1 to 1022. */
  address(host: number): string;
  /** Ends all processes in the block's namespaces and removes everything. */
  release(): Promise<void>;
}

/** Takes a free block. Removes what dead runs have left in any block. */
export async function claimBlock(): Promise<Claim> {
  await sweepDead();
  const taken = new Set(
    Object.values(networkInterfaces()).flatMap((entries) => (entries ?? []).map(({ address }) => blockOf(address))),
  );
  const first = process.pid % BLOCKS;
  for (let i = 0; i < BLOCKS; i++) {
    const block = (first + i) % BLOCKS;
    if (taken.has(block) || !(await isFirstOwner(block))) continue;
    await removeAll(block);
    return claimOf(block);
  }
  throw new Error('all address blocks for labs are taken');
}

function claimOf(block: number): Claim {
  return {
    prefix: prefixOf(block),
    hostInterface: hostInterfaceOf(block),
    address: (host) => `198.${18 + (block >> 6)}.${((block & 63) << 2) + (host >> 8)}.${host & 255}`,
    release: async () => {
      await removeAll(block);
      await rm(ownerFile(block), { force: true });
    },
  };
}

const prefixOf = (block: number) => `sluice${block}`;
const hostInterfaceOf = (block: number) => `sluice${block}`;
const ownerFile = (block: number) => join(tmpdir(), `sluice-lab-${block}.owner`);

function blockOf(address: string): number {
  const [a, b, c] = address.split('.').map(Number);
  return a === 198 && (b === 18 || b === 19) ? ((b - 18) << 6) + ((c ?? 0) >> 2) : -1;
}

async function isFirstOwner(block: number): Promise<boolean> {
  const owner = `${process.pid} ${await startOf(process.pid)}`;
  return writeFile(ownerFile(block), owner, { flag: 'wx' }).then(
    () => true,
    () => false,
  );
}

async function sweepDead(): Promise<void> {
  const files = await readdir(tmpdir());
  for (const name of files) {
    const block = /^sluice-lab-(\d+)\.owner$/.exec(name)?.[1];
    if (block === undefined) continue;
    const owner = await readFile(ownerFile(Number(block)), 'utf8').catch(() => null);
    if (owner === null || (await isAlive(owner))) continue;
    await removeAll(Number(block));
    await rm(ownerFile(Number(block)), { force: true });
  }
}

/** A file that is still empty is being written right now. */
async function isAlive(owner: string): Promise<boolean> {
  const [pid, start] = owner.split(' ');
  return owner === '' || (pid !== undefined && (await startOf(Number(pid))) === start);
}

/** When a process began, in clock ticks since boot (proc_pid_stat(5), field 22): a pid alone is used again. */
async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '');
  // The name of the program, in parentheses, may hold spaces; the field after it is number 3.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
}

async function removeAll(block: number): Promise<void> {
  const listed = JSON.parse((await run('ip', ['-j', 'netns', 'list'])) || '[]') as readonly { readonly name: string }[];
  const names = listed.map(({ name }) => name).filter((name) => name.startsWith(`${prefixOf(block)}-`));
  for (const name of names) {
    const pids = await run('ip', ['netns', 'pids', name]).catch(() => '');
    for (const pid of pids.split('\n').filter((line) => line !== '')) kill(Number(pid));
  }
  for (const name of names) await run('ip', ['netns', 'del', name]).catch(() => {});
  await tryIp(null, `link del ${hostInterfaceOf(block)}`);
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
