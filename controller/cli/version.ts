// `sluice version`: reads package.json, the one place where the version stands.

import packageJson from '../../package.json' with { type: 'json' };

/** Version of this Sluice, e.g. `0.1.0`. */
export const VERSION: string = packageJson.version;

/** One line: product, version, Node. */
export function renderVersion(): string {
  return `sluice ${VERSION} (Node ${process.versions.node})`;
}
