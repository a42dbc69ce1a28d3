// Every value of the annotations about session affinity, from the manifest to the cookie in the answer.

import { affinityCases } from '../upstreams/cases/affinity.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(affinityCases);
