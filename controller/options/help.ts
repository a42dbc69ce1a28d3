// Renders --help from the table of flags. Pure: table in, text out.

import type { Flag } from './flag.ts';
import { flagGroups } from './flags.ts';

const INTRODUCTION = `Sluice: an Ingress controller and HTTP proxy for Kubernetes that takes ingress-nginx's place.

Usage: sluice [command] [flags]

Commands
  serve         Serve a folder of manifests or an API server, and follow its changes (the default).
  translate     Print the routing table and the diagnostics of a folder. Exit code 1 when an object has an error.
  annotations   List the Ingress annotations and what Sluice does with each.
  rbac          Print the ClusterRole, Roles and bindings that "serve" with the same flags needs (POD_NAMESPACE is read).
  version       Print the version.
  help          Print this text.

Exit codes: 0 fine, 1 failed or errors found, 2 wrong usage.
`;

/** The text of `sluice --help`: usage, then each group of flags with placeholder, meaning, default and support. */
export function renderHelp(): string {
  const groups = flagGroups.map((group) => {
    const lines = Object.entries(group.flags).map(([name, flag]) => renderFlag(name, flag));
    return `\n${group.title}\n${lines.join('\n')}\n`;
  });
  return INTRODUCTION + groups.join('');
}

function renderFlag(name: string, flag: Flag<unknown>): string {
  const head = `--${name}${flag.type.placeholder === '' ? '' : ` ${flag.type.placeholder}`}`;
  const notes = [flag.doc, supportNote(flag), defaultNote(flag)].filter((note) => note !== '').join(' ');
  return `  ${head.padEnd(40)} ${notes}`;
}

function supportNote(flag: Flag<unknown>): string {
  if (flag.support === 'noEffect') return '[no effect]';
  return flag.support === 'notYet' ? '[not yet]' : '';
}

function defaultNote(flag: Flag<unknown>): string {
  const value = renderDefault(flag);
  return value === '' || value === 'false' || flag.support === 'noEffect' ? '' : `(default ${value})`;
}

function renderDefault({ type, default: value }: Flag<unknown>): string {
  if (type.render !== undefined) return type.render(value);
  return Array.isArray(value) ? value.join(',') : String(value);
}
