// Every value of the annotations of canaries, from the manifest to the side that answers.

import { canaryCases } from '../upstreams/cases/canary.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(canaryCases);
