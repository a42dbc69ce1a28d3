// What the parts of one exchange share: made with it, and reused with it for every request of its client stream.

import type { RequestRecord } from '../observe/observer.ts';
import type { ClientStream } from './client-stream.ts';
import type { OutgoingRequest } from './outgoing-request.ts';
import type { RequestFacts } from './request-facts.ts';

export interface ExchangeParts {
  readonly client: ClientStream;
  readonly record: RequestRecord;
  readonly facts: RequestFacts;
  readonly request: OutgoingRequest;
}
