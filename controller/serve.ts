// `sluice serve`: runs a Sluice as a process. Log and banner, signals, exit code; what runs inside is serve/sluice.ts.

import { resolve } from 'node:path';
import { VERSION } from './cli/version.ts';
import type { Options } from './options.ts';
import { hostLines, renderBanner } from './serve/banner.ts';
import type { LogOutput } from './serve/log-output.ts';
import { createLogger, type LogFormat, type Logger, logFormatOf } from './serve/logger.ts';
import { Shutdown, type StopSignal } from './serve/shutdown.ts';
import { type Sluice, type SluiceParts, startSluice } from './serve/sluice.ts';
import { startStep } from './serve/start-error.ts';
import { assertDirectory, openManifestFolder } from './watch/manifests.ts';

/** Time for readers of stdout and stderr to take the last lines before the exit. */
const LAST_LINES_MS = 1000;

/** What main.ts lends: only it touches the process. */
export interface ProcessEdge {
  /** Banner and access log. */
  readonly stdout: LogOutput;
  /** The process log. */
  readonly stderr: LogOutput;
  /** True when a person reads stderr. */
  readonly isTerminal: boolean;
  readonly onSignal: (handler: (signal: StopSignal) => void) => void;
  readonly exit: (code: number) => void;
}

/**
 * Starts to serve and resolves when it does; from then on the process ends by a signal and `exit`. Rejects with StartError
 * when it cannot serve, and leaves nothing running then.
 */
export async function runServe(options: Options, warnings: readonly string[], edge: ProcessEdge): Promise<void> {
  const format = logFormatOf(options, edge.isTerminal);
  const { stdout, stderr } = edge;
  const log = createLogger(format, options.logLevel, edge.isTerminal, (line) => stderr.write(line));
  stdout.onTrouble((why) => log.warn(`stdout cannot be written, lines of the access log are lost: ${why}`));
  for (const warning of warnings) log.warn(warning);

  let sluice: Sluice | null = null;
  const shutdown = new Shutdown(options, {
    notReady: () => sluice?.markNotReady(),
    drain: async () => {
      await sluice?.drain();
    },
    exit: (code) => void settle([stdout, stderr]).then(() => edge.exit(code)),
    log: (message) => log.info(message),
    wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    nowMs: () => performance.now(),
  });
  edge.onSignal((signal) => void shutdown.onSignal(signal));

  sluice = await startSluice({
    options,
    log,
    ...(await openSource(options, log)),
    writeAccessLog: (lines) => stdout.write(lines),
    lostLogLines: () => ({ stdout: stdout.droppedLines, stderr: stderr.droppedLines }),
  });
  announce(sluice, options, { format, log, print: (text) => stdout.write(text) });
}

/** Gives readers of the last lines a moment: what a pipe has not taken is lost at the exit. */
async function settle(outputs: readonly LogOutput[]): Promise<void> {
  await Promise.all(outputs.map((output) => output.settled(LAST_LINES_MS)));
}

/** The folder that was given, or else the API server. */
async function openSource(options: Options, log: Logger): Promise<Pick<SluiceParts, 'source' | 'cluster'>> {
  if (options.manifests !== '') {
    // Before any port is tried: a folder that is missing is what the user has to know first.
    await startStep(assertDirectory(resolve(options.manifests)), 2);
    return { source: openManifestFolder(options.manifests, { log, maxFileBytes: options.maxManifestBytes }) };
  }
  // Loaded only where it is needed: client-node is half of all code.
  const { openCluster } = await import('./serve/cluster.ts');
  const { source, link } = await openCluster(options, log);
  return { source, cluster: link };
}

interface Announcement {
  readonly format: LogFormat;
  readonly log: Logger;
  readonly print: (text: string) => void;
}

/** Tells a person by the banner, a machine by one log record. */
function announce(sluice: Sluice, options: Options, { format, log, print }: Announcement): void {
  const facts = {
    ...sluice.facts,
    version: VERSION,
    manifests: options.manifests || null,
    healthPath: options.healthCheckPath,
  };
  if (format === 'pretty') {
    print(renderBanner(facts));
    return;
  }
  const { version, manifests, workers, httpPort, httpsPort, healthPort } = facts;
  const hosts = hostLines(facts).map(({ host }) => host);
  log.info({ version, manifests, workers, httpPort, httpsPort, healthPort, hosts }, 'serving');
}
