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
  testTimeout: 20000,
};
