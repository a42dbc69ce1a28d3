// The process log: pino on stderr, JSON lines or pretty text. Access log lines do not go through it: they are written to
// stdout as they are, so that the two can be told apart and collected separately, as with ingress-nginx.

import { type Logger, pino } from 'pino';
import pretty from 'pino-pretty';
import type { Options } from '../options.ts';

export type { Logger } from 'pino';

export type LogFormat = 'json' | 'pretty';

/** Resolves `--log-format auto`: pretty where a person looks (stderr is a terminal), else JSON. */
export function logFormatOf(options: Pick<Options, 'logFormat'>, isTerminal: boolean): LogFormat {
  if (options.logFormat !== 'auto') return options.logFormat;
  return isTerminal ? 'pretty' : 'json';
}

/**
 * Makes the logger. It writes synchronously: the log is quiet (changes and faults, not requests), and the last lines
 * before an exit must not be lost.
 */
export function createLogger(format: LogFormat, level: Options['logLevel'], colorize: boolean): Logger {
  const settings = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (format === 'json') return pino(settings, pino.destination({ fd: 2, sync: true }));
  const stream = pretty({
    destination: 2,
    sync: true,
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
  return pino(settings, stream);
}
