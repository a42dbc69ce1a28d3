// One JSON request with a time limit: for everything that is neither list nor watch.

import type { Clock } from '../clock.ts';
import { Deadline } from './deadline.ts';
import { failureOf, noAnswer } from './failure.ts';
import { readBody } from './list-pages.ts';
import { ApiError, type ApiRequest, type ApiTransport } from './transport.ts';

export interface ApiCaller {
  readonly transport: ApiTransport;
  readonly clock: Clock;
  /** Ends all requests. */
  readonly signal: AbortSignal;
}

const defaultLimitMs = 15_000;

/**
 * Sends and gives the parsed answer. Rejects with ApiError for any status but 2xx. A 401 renews the credentials and sends
 * once more: nothing was done yet, and an Event that is written by the old token of a rotation would be lost.
 * @param limitMs For the whole exchange. Default 15 s.
 */
export async function callApi(
  { transport, clock, signal }: ApiCaller,
  request: Omit<ApiRequest, 'signal'>,
  limitMs: number = defaultLimitMs,
): Promise<Readonly<Record<string, unknown>>> {
  const deadline = new Deadline(clock, limitMs, signal);
  try {
    const send = async () => {
      const response = await transport.send({ ...request, signal: deadline.signal });
      return { response, text: await readBody(response, () => {}) };
    };
    let { response, text } = await send();
    if (response.status === 401) {
      transport.renewCredentials();
      ({ response, text } = await send());
    }
    if (response.status < 200 || response.status > 299) {
      throw new ApiError(failureOf(response.status, text, response.retryAfterSeconds));
    }
    return JSON.parse(text);
  } catch (error) {
    if (deadline.hasExpired) throw new ApiError(noAnswer('timeout', `${limitMs} ms`), error);
    if (error instanceof SyntaxError) throw new ApiError(noAnswer('network', 'the answer is no JSON'), error);
    throw error;
  } finally {
    deadline.end();
  }
}
