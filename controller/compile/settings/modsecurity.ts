// Annotations of the ModSecurity web application firewall. Annotation reference section 17. Sluice has no engine for its
// rules. The plain switch only logs by default (`SecRuleEngine DetectionOnly`), so those paths stay open; own rules are
// written to block, so they close their paths.

import { annotationFamily } from './define.ts';
import type { AnnotationRecord } from './record.ts';
import { bool, rawText, textNamed } from './types.ts';
import { variableChars } from './validators.ts';

const firewall = annotationFamily({
  group: 'ModSecurity',
  scope: 'path',
  support: 'refused',
  note: 'Sluice has no firewall engine; requests are served without its checks',
});

/** Turns the firewall on or off. */
export const enableModsecurity: AnnotationRecord<boolean> = firewall({
  name: 'enable-modsecurity',
  type: bool,
  inert: [false],
  globalKey: 'enable-modsecurity',
  risk: 'Low',
  doc: 'Checks requests with ModSecurity.',
});

/** Turns the OWASP rules on. */
export const enableOwaspCoreRules: AnnotationRecord<boolean> = firewall({
  name: 'enable-owasp-core-rules',
  type: bool,
  default: false,
  globalKey: 'enable-owasp-modsecurity-crs',
  risk: 'Low',
  doc: 'Adds the OWASP core rule set.',
});

/** Transaction id in its log. */
export const modsecurityTransactionId: AnnotationRecord<string> = firewall({
  name: 'modsecurity-transaction-id',
  type: textNamed('variables'),
  validate: variableChars,
  risk: 'High',
  dependsOn: ['enable-modsecurity'],
  doc: 'Transaction id in the log of ModSecurity.',
});

/** Own rules. */
export const modsecuritySnippet: AnnotationRecord<string> = firewall({
  name: 'modsecurity-snippet',
  type: rawText,
  globalKey: 'modsecurity-snippet',
  risk: 'Critical',
  dependsOn: ['enable-modsecurity'],
  whenUnsupported: 'denyRoutes',
  doc: 'Own ModSecurity rules.',
  note: 'Sluice has no firewall engine, and requests that the rules block would be served',
});

/** All of this family, in the order of the reference. */
export const modsecurityAnnotations: readonly AnnotationRecord<unknown>[] = [
  enableModsecurity,
  enableOwaspCoreRules,
  modsecurityTransactionId,
  modsecuritySnippet,
];
