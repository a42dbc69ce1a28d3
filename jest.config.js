// Jest runs the sources as they are: Node strips the types, so no transform and no second compiler.
export default {
  transform: {},
  extensionsToTreatAsEsm: ['.ts'],
  injectGlobals: false,
  coverageProvider: 'v8',
  testEnvironment: './jest.environment.js',
  globalSetup: './e2e/harness/warm-start.ts',
  testSequencer: './e2e/harness/test-order.mjs',
  testMatch: ['**/*.test.ts'],
  randomize: true,
  maxWorkers: 2,
  maxConcurrency: 2,
  // Many times what tests without a limit of their own take: that a machine is busy is no fault of theirs.
  testTimeout: 60_000,
};
