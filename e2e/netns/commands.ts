// Runs the tools of iproute2 and util-linux that the lab is made with. Each call is one process; many commands of `ip`
// go into one by its batch mode.

import { execFile, spawnSync } from 'node:child_process';

/** Runs a program to its end. Rejects with its words when it fails; resolves with its stdout. */
export function run(program: string, args: readonly string[], stdin = ''): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(program, args, { encoding: 'utf8' }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(`${program} ${args.join(' ')}: ${stderr.trim() || error.message}\n${stdin}`));
    });
    // A program that fails early does not read all: its words matter, not ours.
    child.stdin?.on('error', () => {});
    child.stdin?.end(stdin);
  });
}

/** Runs commands of `ip`, without the word `ip`, in a network namespace; null is the one of this process. */
export async function ip(namespace: string | null, ...commands: readonly string[]): Promise<void> {
  await run('ip', [...(namespace === null ? [] : ['-n', namespace]), '-batch', '-'], `${commands.join('\n')}\n`);
}

/** {@link ip} for when it does not matter whether it works: the thing may be gone already. */
export async function tryIp(namespace: string | null, ...commands: readonly string[]): Promise<void> {
  for (const command of commands) await ip(namespace, command).catch(() => {});
}

/** The start of a command line that runs what follows inside a namespace and ends it when this process dies. */
export function inside(namespace: string): readonly [program: string, ...args: string[]] {
  return ['nsenter', `--net=${pathOf(namespace)}`, 'setpriv', '--pdeathsig', 'KILL', '--'];
}

/** Where `ip netns` keeps the handle of a namespace. */
export function pathOf(namespace: string): string {
  return `/run/netns/${namespace}`;
}

/** Says in one line why no lab can be built here; null when it can. Tries the real thing: rights cannot be guessed. */
export function whyNoLab(): string | null {
  if (process.env['E2E_USE_CLUSTER'] === '1') return 'a cluster that is lent has nodes of its own';
  if (process.platform !== 'linux') return 'network namespaces are a thing of Linux';
  if (process.getuid?.() !== 0) return 'network namespaces need root';
  for (const tool of ['ip', 'ss', 'nsenter', 'setpriv']) {
    if (spawnSync(tool, ['--version']).error !== undefined && spawnSync(tool, ['-V']).error !== undefined) {
      return `the program ${tool} is missing (iproute2, util-linux)`;
    }
  }
  const name = `sluice-try-${process.pid}`;
  try {
    for (const command of [`netns add ${name}`, `-n ${name} link add br0 type bridge`]) {
      const { status, stderr } = spawnSync('ip', command.split(' '), { encoding: 'utf8' });
      if (status !== 0) return `ip ${command}: ${stderr.trim()}`;
    }
    return null;
  } finally {
    spawnSync('ip', ['netns', 'del', name]);
  }
}
