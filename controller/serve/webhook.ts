// The admission webhook of a running Sluice: the server of controller/admission with this process's view, log and metrics.

import { decide } from '../admission/decide.ts';
import { type ReviewFacts, WebhookServer } from '../admission/webhook-server.ts';
import type { CompilerView } from '../compile/incremental/view.ts';
import type { ControllerMetrics } from '../metrics/controller-metrics.ts';
import { keyOf } from '../objects/types.ts';
import { splitListenAddress } from '../options/value-types.ts';
import type { Options } from '../options.ts';
import type { Logger } from './logger.ts';
import { portProblemOf, StartError } from './start-error.ts';

export interface WebhookParts {
  readonly options: Options;
  readonly log: Logger;
  readonly metrics: Pick<ControllerMetrics, 'onReview'>;
  /** What the compiler knows now; null before the first compile. */
  readonly view: () => CompilerView | null;
}

/** Opens the webhook on `--validating-webhook`; null without the flag. Rejects with StartError when the port cannot be opened. */
export async function startWebhook({ options, log, metrics, view }: WebhookParts): Promise<WebhookServer | null> {
  const { validatingWebhook, validatingWebhookCertificate, validatingWebhookKey, disableFullTest } = options;
  const address = splitListenAddress(validatingWebhook);
  if (address === null) return null;
  try {
    const server = await WebhookServer.start({
      ...address,
      certPath: validatingWebhookCertificate,
      keyPath: validatingWebhookKey,
      decide(request) {
        const known = view();
        return known === null ? null : decide(known, request, { disableFullTest });
      },
      onReview: (facts) => noteReview(facts, log, metrics),
      log,
      nowMs: () => performance.now(),
    });
    log.info({ port: server.port }, 'the admission webhook listens');
    return server;
  } catch (error) {
    throw new StartError(
      `cannot serve the admission webhook on ${validatingWebhook}: ${portProblemOf(error)}`,
      1,
      error,
    );
  }
}

function noteReview(
  { decision, decideMs, roundTripMs, bodyBytes }: ReviewFacts,
  log: Logger,
  metrics: WebhookParts['metrics'],
): void {
  const { object } = decision;
  if (decision.kind === 'refuse') {
    const fields = { check: decision.check, ...(object === null ? {} : { ingress: keyOf(object) }) };
    log.info(fields, `Ingress refused: ${decision.message}`);
    if (decision.isCounted && object !== null) metrics.onReview({ object, isAdmitted: false });
  } else if (object !== null && decision.testedIngresses > 0) {
    const { testedIngresses } = decision;
    metrics.onReview({ object, isAdmitted: true, testedIngresses, decideMs, roundTripMs, bodyBytes });
  }
}
