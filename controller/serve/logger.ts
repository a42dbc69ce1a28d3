// The process log: pino on stderr, JSON lines or pretty text. Access log lines do not go through it: they are written to
// stdout as they are, so that the two can be told apart and collected separately, as with ingress-nginx.

import { type Logger, pino } from 'pino';
import { prettyFactory } from 'pino-pretty';
import type { Options } from '../options.ts';

export type { Logger } from 'pino';

export type LogFormat = 'json' | 'pretty';

/** Resolves `--log-format auto`: pretty where a person looks (stderr is a terminal), else JSON. */
export function logFormatOf(options: Pick<Options, 'logFormat'>, isTerminal: boolean): LogFormat {
  if (options.logFormat !== 'auto') return options.logFormat;
  return isTerminal ? 'pretty' : 'json';
}

/** Makes the logger. `write` gets each line at once, and must never throw: LogOutput. */
export function createLogger(
  format: LogFormat,
  level: Options['logLevel'],
  colorize: boolean,
  write: (line: string) => void,
): Logger {
  const settings = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  if (format === 'json') return pino(settings, { write });
  const render = prettyFactory({
    colorize,
    singleLine: true,
    translateTime: 'SYS:HH:MM:ss.l',
    ignore: 'pid,hostname',
  });
  return pino(settings, { write: (line) => write(render(line)) });
}
