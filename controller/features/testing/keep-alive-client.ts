// A client that asks again and again on one connection that must never be replaced.

import { Agent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import { type Answer, ask, type Question } from './ask.ts';

export class KeepAliveClient {
  readonly #port: number;
  readonly #scheme: 'http' | 'https';
  readonly #agent: Agent;
  #socket: Answer['socket'] | null = null;
  /** Answers that came so far. */
  answers = 0;

  constructor(scheme: 'http' | 'https', port: number) {
    this.#scheme = scheme;
    this.#port = port;
    const options = { keepAlive: true, maxSockets: 1, keepAliveMsecs: 60_000 };
    this.#agent = scheme === 'http' ? new Agent(options) : new HttpsAgent(options);
  }

  /** Asks on the connection. Rejects when it fails, or when the connection is another one than before. */
  async ask(question: Omit<Question, 'port' | 'scheme' | 'agent' | 'servername'>): Promise<Answer> {
    // One name for all hosts: the agent opens a connection for each name.
    const via = { port: this.#port, scheme: this.#scheme, agent: this.#agent, servername: 'keep-alive.test' };
    const answer = await ask({ ...question, ...via });
    this.#socket ??= answer.socket;
    if (answer.socket !== this.#socket) throw new Error(`connection replaced after ${this.answers} answers`);
    this.answers++;
    return answer;
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}
