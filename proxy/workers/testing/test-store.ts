// A limit store as tests ask it: by a clock that they can move, with all that it says of its connection written down.

import type { RateQuestion, RateVerdict } from '../../filters/rate-store.ts';
import { eventually } from '../../forward/testing/data-path.ts';
import { RedisRateStore, type RedisRateStoreOptions } from '../redis-rate-store.ts';

/** Ten requests at once, then one a minute. */
export const question: RateQuestion = { zone: 'a/b|minute', client: '192.0.2.1', intervalMs: 60_000, burst: 9 };

export class TestStore extends RedisRateStore {
  /** Connections made and lost. */
  readonly news: boolean[];
  /** Codes of all bad news. */
  readonly codes: string[];
  readonly #clock: { aheadMs: number };

  constructor(url: string, more: Partial<RedisRateStoreOptions> = {}) {
    const [news, codes]: [boolean[], string[]] = [[], []];
    const clock = { aheadMs: 0 };
    super({
      url,
      ca: null,
      timeoutMs: 5_000,
      nowMs: () => performance.now() + clock.aheadMs,
      onChange: (isConnected, code) => {
        news.push(isConnected);
        if (!isConnected) codes.push(code);
      },
      onRefused: (code) => codes.push(code),
      ...more,
    });
    this.news = news;
    this.codes = codes;
    this.#clock = clock;
  }

  /** Its clock goes on by so much. */
  pass(ms: number): void {
    this.#clock.aheadMs += ms;
  }

  async connected(): Promise<this> {
    this.start();
    await eventually(() => this.isConnected);
    return this;
  }

  verdict(...questions: RateQuestion[]): Promise<RateVerdict> {
    return new Promise((resolve) => this.ask(questions, resolve));
  }

  [Symbol.dispose](): void {
    this.close();
  }
}
