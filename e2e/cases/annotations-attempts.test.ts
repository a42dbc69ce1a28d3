// Every value of the annotations about further attempts, from the manifest to what clients see and endpoints get.

import { attemptCases } from '../upstreams/cases/attempts.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(attemptCases);
