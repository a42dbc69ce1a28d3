// Every value of the annotations about active checks, from the manifest to the probes and what they do to requests.

import { activeCheckCases } from '../upstreams/cases/active-checks.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(activeCheckCases);
