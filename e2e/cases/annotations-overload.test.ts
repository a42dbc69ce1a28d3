// Every value of the annotations about circuit breaking, from the manifest to the requests that are let in.

import { overloadCases, overloadFlags } from '../upstreams/cases/overload.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(overloadCases, overloadFlags);
