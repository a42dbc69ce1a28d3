// The store in which replicas count rates together, as the workers need it: flags in, with the files that they name.
// Read once, at the start. A password goes into the URL, which nothing logs.

import { readFileSync } from 'node:fs';
import type { RateStoreSettings } from '#proxy/filters/rate-store.ts';
import type { Options } from '../options.ts';
import { StartError } from './start-error.ts';

type StoreOptions = Pick<
  Options,
  'limitStoreUrl' | 'limitStoreCa' | 'limitStorePasswordFile' | 'limitStoreTimeout' | 'limitStoreFailure'
>;

/** null where no store is wanted. Throws a StartError when a file cannot be read or a password is empty. */
export function readLimitStore(options: StoreOptions): RateStoreSettings | null {
  if (options.limitStoreUrl === '') return null;
  return {
    url: withPassword(options.limitStoreUrl, options.limitStorePasswordFile),
    ca: options.limitStoreCa === '' ? null : read('--limit-store-ca', options.limitStoreCa),
    timeoutMs: options.limitStoreTimeout,
    onFailure: options.limitStoreFailure,
  };
}

function withPassword(text: string, file: string): string {
  if (file === '') return text;
  // Editors and `echo` end a file with a line feed; nobody means it.
  const password = read('--limit-store-password-file', file).replace(/\r?\n$/, '');
  if (password === '') throw new StartError(`--limit-store-password-file ${file} is empty`, 2, null);
  const url = new URL(text);
  url.password = encodeURIComponent(password);
  return url.href;
}

function read(flag: string, file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new StartError(`${flag} cannot be read: ${(error as Error).message}`, 2, error);
  }
}
