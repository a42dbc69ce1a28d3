// Every value of the annotations about load balancing, from the manifest to the endpoint that answers.

import { loadBalancingCases, loadBalancingFlags } from '../upstreams/cases/load-balancing.ts';
import { describeAnnotations } from '../upstreams/describe-annotations.ts';

describeAnnotations(loadBalancingCases, loadBalancingFlags);
