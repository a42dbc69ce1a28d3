import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from '@jest/globals';
import { readLimitStore } from './limit-store.ts';
import { StartError } from './start-error.ts';

const off = {
  limitStoreUrl: '',
  limitStoreCa: '',
  limitStorePasswordFile: '',
  limitStoreTimeout: 25,
  limitStoreFailure: 'closed' as const,
};
const shared = { ca: null, timeoutMs: 25, onFailure: 'closed' };
let folder = '';
const file = (name: string): string => join(folder, name);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-store-'));
  await writeFile(file('password'), 'p@ss/w%rd\n');
  await writeFile(file('blank'), '\n');
  await writeFile(file('ca.pem'), 'certificates\n');
});

afterAll(() => rm(folder, { recursive: true }));

test('without a URL there is none', () => {
  expect(readLimitStore(off)).toBeNull();
});

test.each([
  ['redis://store', '', 'redis://store'],
  ['redis://me:own@store/3', '', 'redis://me:own@store/3'],
  ['redis://store', 'password', 'redis://:p%40ss%2Fw%25rd@store'],
  ['rediss://me:old@store:1/3', 'password', 'rediss://me:p%40ss%2Fw%25rd@store:1/3'],
])('%s with the password of %j', (limitStoreUrl, password, url) => {
  const limitStorePasswordFile = password === '' ? '' : file(password);
  expect(readLimitStore({ ...off, limitStoreUrl, limitStorePasswordFile })).toEqual({ ...shared, url });
});

test('certificates', () => {
  const settings = readLimitStore({ ...off, limitStoreUrl: 'rediss://store', limitStoreCa: file('ca.pem') });
  expect(settings?.ca).toBe('certificates\n');
});

test.each([
  ['limitStoreCa', 'none.pem', '--limit-store-ca cannot be read: ENOENT'],
  ['limitStorePasswordFile', 'none', '--limit-store-password-file cannot be read: ENOENT'],
  ['limitStorePasswordFile', 'blank', 'is empty'],
])('%s %s ends the start', (option, name, message) => {
  const given = { ...off, limitStoreUrl: 'rediss://store', [option]: file(name) };
  const start = () => readLimitStore(given);
  expect(start).toThrow(StartError);
  expect(start).toThrow(message);
});
