#!/usr/bin/env node
// The npm bin `sluice`. Plain JavaScript, because it must start on any Node: Sluice itself needs Node 24.12 (type
// stripping). An older one runs Sluice with the Node that the npm package `node` brought; signals and exit code pass
// through, so that a caller sees one process.

import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import module, { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MIN_VERSION = [24, 12];
const FORWARDED_SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];
/**
 * Limits what V8 sets aside for new objects in each thread, MiB for each of two halves; V8 alone goes up to 32. At 10,000
 * Ingresses and one worker that makes 100 MB less; processor time per request is the same from 2 to 16.
 */
const SEMI_SPACE_FLAG = '--max-semi-space-size=8';
const MAIN = fileURLToPath(new URL('./main.ts', import.meta.url));

/** @param {string} version */
function isNewEnough(version) {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [minMajor = 0, minMinor = 0] = MIN_VERSION;
  return major > minMajor || (major === minMajor && minor >= minMinor);
}

/** @returns {string | null} the binary of the npm package `node`, null when it is not installed */
function bundledNode() {
  try {
    const packageFile = createRequire(import.meta.url).resolve('node/package.json');
    const binary = join(dirname(packageFile), 'bin', process.platform === 'win32' ? 'node.exe' : 'node');
    return existsSync(binary) ? binary : null;
  } catch {
    return null; // The package is optional: without it the running Node must be new enough.
  }
}

/** @param {string} binary */
function runWith(binary) {
  const flags = isSemiSpaceChosen() ? [] : [SEMI_SPACE_FLAG];
  const child = spawn(binary, [...flags, MAIN, ...process.argv.slice(2)], { stdio: 'inherit' });
  for (const signal of FORWARDED_SIGNALS) process.on(signal, () => child.kill(signal));
  child.on('error', (error) => {
    process.stderr.write(`sluice: cannot run ${binary}: ${error.message}\n`);
    process.exitCode = 2;
  });
  child.on('exit', (code, signal) => {
    for (const forwarded of FORWARDED_SIGNALS) process.removeAllListeners(forwarded);
    if (signal === null) process.exitCode = code ?? 1;
    else process.kill(process.pid, signal);
  });
}

/**
 * Before any TypeScript is loaded, and through the environment for the worker threads: a file in the cache needs no type
 * stripper, which takes 20 MB in each thread that loads it. Measured: 158 MB without, 118 MB with a warm cache.
 */
function useCompileCache() {
  process.env.NODE_COMPILE_CACHE ??= join(tmpdir(), 'node-compile-cache');
  module.enableCompileCache(process.env.NODE_COMPILE_CACHE);
}

/** Whoever set the limit, by NODE_OPTIONS or on the command line, shall have it. */
function isSemiSpaceChosen() {
  return [...process.execArgv, process.env.NODE_OPTIONS ?? ''].some((text) =>
    /max[-_]semi[-_]space[-_]size/.test(text),
  );
}

/** V8 reads the flag before it makes its heap, so this process starts again: same pid, same files, 30 ms. */
function limitSemiSpace() {
  if (isSemiSpaceChosen() || process.platform === 'win32') return;
  process.execve?.(process.execPath, [
    process.execPath,
    ...process.execArgv,
    SEMI_SPACE_FLAG,
    ...process.argv.slice(1),
  ]);
}

if (isNewEnough(process.versions.node)) {
  limitSemiSpace();
  useCompileCache();
  await import('./main.ts');
} else {
  const binary = bundledNode();
  if (binary !== null) {
    runWith(binary);
  } else {
    process.stderr.write(
      `sluice: needs Node ${MIN_VERSION.join('.')} or newer, this is ${process.versions.node}; "npm install" brings one\n`,
    );
    process.exitCode = 2;
  }
}
