// Every value of the annotations about passive health and slow start, from the manifest to the endpoints that get requests.

import { passiveHealthCases } from '../upstreams/cases/passive-health.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(passiveHealthCases);
