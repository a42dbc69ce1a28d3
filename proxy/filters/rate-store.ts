// Rates that several replicas count together, in a Redis-compatible store: what is asked, and the script that answers.
//
// The script is one step of the store: either all rates of a request pass and are counted, or none is. Its reckoning is
// that of limit-table.ts, by the store's own clock, so replicas need not agree about the time.

import { createHash } from 'node:crypto';

/** One rate of one request. */
export interface RateQuestion {
  readonly zone: string;
  readonly client: string;
  /** Time for one request, ms. */
  readonly intervalMs: number;
  readonly burst: number;
}

/** `passed`, the place of the first rate that refuses, or `failed`: no answer in time. */
export type RateVerdict = 'passed' | 'failed' | number;

export interface RateStore {
  /** Asks all of `questions` in one step; `decided` is called once, never within this call. */
  ask(questions: readonly RateQuestion[], decided: (verdict: RateVerdict) => void): void;
}

/** What happens to a request while the store does not answer. `local`: this process counts alone. */
export type StoreFailure = 'local' | 'open' | 'closed';

/** Process options about the store. */
export interface RateStoreSettings {
  /** `redis://` or `rediss://`; may hold a password: never logged. */
  readonly url: string;
  /** Certificates (PEM) that a `rediss://` store is checked against; null: those of Node. */
  readonly ca: string | null;
  /** Longest time that a request waits for the store. */
  readonly timeoutMs: number;
  readonly onFailure: StoreFailure;
}

/**
 * KEYS: one per rate. ARGV: interval and burst of each, microseconds and requests. Gives 0 when all pass, else the place
 * (from 1) of the first that refuses. A key vanishes once it would say nothing any more.
 */
export const RATE_SCRIPT = `
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local after = {}
for i = 1, #KEYS do
  local interval, burst = tonumber(ARGV[2 * i - 1]), tonumber(ARGV[2 * i])
  local before = tonumber(redis.call('GET', KEYS[i]))
  local empty = now
  if before ~= nil then
    -- Further ahead than the burst: the limit was lowered, or a clock set back. It counts as just used up.
    if before > now + burst * interval then
      before = now + burst * interval
      local ms = math.ceil((burst + 1) * interval / 1000)
      redis.call('SET', KEYS[i], string.format('%.0f', before), 'PX', math.max(1, ms))
    end
    empty = math.max(now, before + interval)
  end
  if empty - now > burst * interval then return i end
  after[i] = empty
end
for i = 1, #KEYS do
  local ms = math.ceil((after[i] - now + ARGV[2 * i - 1]) / 1000)
  redis.call('SET', KEYS[i], string.format('%.0f', after[i]), 'PX', math.max(1, ms))
end
return 0
`;

/** The store's keys and arguments. Clients are hashed: neither addresses nor long header values get there. */
export function scriptArguments(questions: readonly RateQuestion[]): { keys: string[]; values: string[] } {
  const keys: string[] = [];
  const values: string[] = [];
  for (const { zone, client, intervalMs, burst } of questions) {
    const hash = createHash('sha256').update(client).digest('base64url').slice(0, 22);
    // All keys of a request share the tag in braces, and with it their place in a cluster.
    keys.push(`sluice:{${hash}}:${zone}`);
    values.push(String(Math.round(intervalMs * 1000)), String(burst));
  }
  return { keys, values };
}
