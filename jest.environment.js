// What tests run in: Jest's environment for Node, but with an ordinary global object.
//
// The global object of Jest's own is a Proxy behind interceptors, to find what a suite leaves in it. Every use of a global
// (`Math`, `Number`, `Map`) goes through both, so that code that computes takes two to four times as long as in production.

import { constants, createContext } from 'node:vm';
import { TestEnvironment } from 'jest-environment-node';

export default class PlainGlobalEnvironment extends TestEnvironment {
  constructor(config, context) {
    super(config, context);
    const plain = createContext(constants.DONT_CONTEXTIFY);
    copyGlobals(this.global, plain);
    // As tests see long stacks, and the buffers that Node itself makes, in Jest's environment.
    Object.assign(plain, { global: plain, ArrayBuffer, Uint8Array });
    plain.Error.stackTraceLimit = this.global.Error.stackTraceLimit;
    this.context = plain;
    this.global = plain;
    this.moduleMocker = new this.moduleMocker.constructor(plain);
    this.fakeTimersModern = new this.fakeTimersModern.constructor({ config: config.projectConfig, global: plain });
  }
}

/** Gives `to` what only `from` has. What is computed when it is first read (such as `fetch`) stays so. */
function copyGlobals(from, to) {
  for (const name of Reflect.ownKeys(from)) {
    if (name in to) continue;
    const descriptor = Object.getOwnPropertyDescriptor(from, name);
    const { enumerable } = descriptor;
    const settle = (value) =>
      Object.defineProperty(to, name, { configurable: true, enumerable, writable: true, value });
    if ('value' in descriptor) Object.defineProperty(to, name, descriptor);
    else {
      const get = () => {
        settle(from[name]);
        return to[name];
      };
      Object.defineProperty(to, name, { configurable: true, enumerable, get, set: settle });
    }
  }
}
