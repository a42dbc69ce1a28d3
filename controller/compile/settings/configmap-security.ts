// ConfigMap keys that decide what Ingresses may do, and whom all hosts turn away. ConfigMap reference section A.

import { configMapFamily } from './define.ts';
import type { ConfigMapRecord, Risk } from './record.ts';
import { bool, cidrList, headerNames, list, listNamed, risk } from './types.ts';

const security = configMapFamily({ group: 'Security gates', support: 'notYet' });

/** Whether `*-snippet` annotations are read at all. */
export const allowSnippetAnnotations: ConfigMapRecord<boolean> = security({
  key: 'allow-snippet-annotations',
  type: bool,
  default: false,
  support: 'full',
  doc: 'Accepts `*-snippet` annotations. Sluice still runs no nginx text: what passes both gates closes its paths.',
});

/** Highest risk an annotation may have. Unknown text counts as Low, so that a typing error never opens more. */
export const annotationsRiskLevel: ConfigMapRecord<Risk> = security({
  key: 'annotations-risk-level',
  type: risk,
  default: 'High',
  whenInvalid: 'Low',
  support: 'full',
  doc: 'Highest accepted risk of an annotation; an Ingress with a riskier one is rejected. Unknown text counts as Low.',
});

/** Text that no annotation value may contain. */
export const annotationValueWordBlocklist: ConfigMapRecord<readonly string[]> = security({
  key: 'annotation-value-word-blocklist',
  type: list,
  default: [],
  support: 'full',
  doc: 'Text that no annotation value may contain; an Ingress with one is rejected.',
});

/** Whether the admission webhook refuses unusual paths. Objects that are already stored are served either way. */
export const strictValidatePathType: ConfigMapRecord<boolean> = security({
  key: 'strict-validate-path-type',
  type: bool,
  default: true,
  support: 'full',
  doc: 'The admission webhook refuses Exact and Prefix paths with other characters than letters, digits, `.`, `_`, `-`, `/`.',
});

/** All of this family, in the order of the reference. */
export const securityKeys: readonly ConfigMapRecord<unknown>[] = [
  allowSnippetAnnotations,
  annotationsRiskLevel,
  annotationValueWordBlocklist,
  security({
    key: 'allow-cross-namespace-resources',
    type: bool,
    default: false,
    doc: 'Lets annotations name Secrets and ConfigMaps of other namespaces.',
    note: 'no annotation that names another object is carried out',
  }),
  strictValidatePathType,
  security({
    key: 'global-allowed-response-headers',
    type: headerNames,
    default: [],
    doc: 'Headers that `custom-headers` may set.',
    note: 'custom-headers is not carried out',
  }),
  security({
    key: 'block-cidrs',
    type: cidrList,
    default: [],
    whenUnsupported: 'denyRoutes',
    doc: 'Client networks that get 403 on every host.',
    note: 'clients in the list would be served',
  }),
  security({
    key: 'block-user-agents',
    type: listNamed('comma list of text or `~regex`'),
    default: [],
    doc: 'User agents that get 403 on every host.',
    note: 'these user agents are served',
  }),
  security({
    key: 'block-referers',
    type: listNamed('comma list of text or `~regex`'),
    default: [],
    doc: 'Referers that get 403 on every host.',
    note: 'requests with these referers are served',
  }),
  security({
    key: 'hide-headers',
    type: headerNames,
    default: [],
    doc: 'Headers of the upstream that do not reach the client.',
    note: 'these headers reach the client',
  }),
  security({
    key: 'debug-connections',
    type: cidrList,
    default: [],
    doc: 'Clients whose connections are logged in detail.',
    note: 'connections are not logged in detail',
  }),
];
