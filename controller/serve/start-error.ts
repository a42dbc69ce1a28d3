// Why Sluice could not start, as one line for the person who started it.

/** `exitCode` 2: the command line names something that does not work (a missing folder); 1: the machine refuses (a taken port). */
export class StartError extends Error {
  override readonly name = 'StartError';
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2, cause: unknown) {
    super(message, { cause });
    this.exitCode = exitCode;
  }
}

/** Turns the rejection of a start-up step into a StartError. */
export async function startStep<T>(step: Promise<T>, exitCode: 1 | 2): Promise<T> {
  try {
    return await step;
  } catch (error) {
    throw new StartError(error instanceof Error ? error.message : String(error), exitCode, error);
  }
}

/** Says in words why a port could not be opened. */
export function portProblemOf(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  return code === 'EADDRINUSE' ? 'the port is in use by another process (EADDRINUSE)' : message;
}
