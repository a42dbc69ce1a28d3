// Entry of the program: the only file that reads argv and the environment and that exits. It parses the options and
// loads the command's code, nothing more.

import { enableCompileCache } from 'node:module';
import type { Options } from './options.ts';

// Before the first dynamic import: everything loaded after this line starts from compiled code the next time.
enableCompileCache();

const { parseOptions } = await import('./options.ts');

const EXIT_OK = 0;
const EXIT_USAGE = 2;

/** Runs one command and gives its exit code. */
async function run(): Promise<number> {
  const outcome = parseOptions(process.argv.slice(2), process.env);
  if (!outcome.ok) return fail(outcome.message, EXIT_USAGE);
  // A server goes on without the readers of its logs.
  if (outcome.command === 'serve') return await serve(outcome.options, outcome.warnings);
  endWithReader();
  switch (outcome.command) {
    case 'help':
      return print((await import('./options/help.ts')).renderHelp());
    case 'version':
      return print((await import('./cli/version.ts')).renderVersion());
    case 'annotations': {
      const { renderAnnotations } = await import('./cli/annotations.ts');
      return print(renderAnnotations(outcome.options.json ? 'json' : 'text'));
    }
    case 'rbac':
      return print((await import('./cli/rbac.ts')).renderRbac(outcome.options));
    case 'translate':
      return await translate(outcome.options);
  }
}

async function translate(options: Options): Promise<number> {
  const { renderTranslation, translateFolder } = await import('./cli/translate.ts');
  const outcome = await translateFolder(options);
  if (!outcome.ok) return fail(outcome.message, EXIT_USAGE);
  print(renderTranslation(outcome.translation, options.output));
  return outcome.hasErrors ? 1 : EXIT_OK;
}

async function serve(options: Options, warnings: readonly string[]): Promise<number> {
  const { runServe } = await import('./serve.ts');
  const { StartError } = await import('./serve/start-error.ts');
  const { standardOutput } = await import('./serve/log-output.ts');
  try {
    await runServe(options, warnings, {
      stdout: standardOutput(1, process.stdout),
      stderr: standardOutput(2, process.stderr),
      isTerminal: process.stderr.isTTY,
      onSignal: (handler) => {
        for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => handler(signal));
      },
      exit: (code) => process.exit(code),
    });
    return EXIT_OK;
  } catch (error) {
    if (!(error instanceof StartError)) throw error;
    return fail(error.message, error.exitCode);
  }
}

function print(text: string): number {
  process.stdout.write(text.endsWith('\n') ? text : `${text}\n`);
  return EXIT_OK;
}

function fail(message: string, exitCode: number): number {
  process.stderr.write(`sluice: ${message}\n`);
  return exitCode;
}

/** `sluice annotations | head` closes the pipe early: that is not a failure of ours. */
function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code === 'EPIPE') process.exit(EXIT_OK);
    throw error;
  });
}

process.exitCode = await run();
