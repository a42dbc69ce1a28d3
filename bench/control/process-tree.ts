// The processes below a process, by the kernel's lists of children.

import { readdirSync, readFileSync } from 'node:fs';

/** The process and all its descendants, as of now (proc(5), `task/TID/children`). */
export function processTree(pid: number): number[] {
  const children = readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean).map(Number),
  );
  return [pid, ...children.flatMap(processTree)];
}
