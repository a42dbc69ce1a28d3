// The part of the process options that compile() depends on.

import type { ReservedPort } from '../compile/stream-entry.ts';
import type { CertificatePair, CompileOptions } from '../compile/types.ts';
import type { Options } from '../options.ts';
import { splitListenAddress } from './value-types.ts';

/** Picks compile's options. `fallbackCertificate` is what clients get where no Secret gives a certificate. */
export function compileOptionsOf(options: Options, fallbackCertificate: CertificatePair): CompileOptions {
  return {
    ingressClass: options.ingressClass,
    controllerClass: options.controllerClass,
    ingressClassByName: options.ingressClassByName,
    watchIngressWithoutClass: options.watchIngressWithoutClass,
    watchNamespace: options.watchNamespace,
    watchNamespaceSelector: options.watchNamespaceSelector,
    configMap: options.configmap,
    defaultSslCertificate: options.defaultSslCertificate,
    defaultBackendService: options.defaultBackendService,
    tcpServicesConfigMap: options.tcpServicesConfigmap,
    udpServicesConfigMap: options.udpServicesConfigmap,
    reservedPorts: reservedPorts(options),
    enableSslPassthrough: options.enableSslPassthrough,
    annotationsPrefix: options.annotationsPrefix,
    enableAnnotationValidation: options.enableAnnotationValidation,
    deepInspect: options.deepInspect,
    disableCatchAll: options.disableCatchAll,
    disableSvcExternalName: options.disableSvcExternalName,
    enableTopologyAwareRouting: options.enableTopologyAwareRouting,
    nodeZone: options.nodeZone,
    httpsPort: options.httpsPort,
    fallbackCertificate,
  };
}

/** Port 0 is one of the system's choice, which no entry names. */
function reservedPorts({ httpPort, httpsPort, healthzPort, validatingWebhook }: Options): readonly ReservedPort[] {
  const webhook = splitListenAddress(validatingWebhook)?.port ?? 0;
  const ports = {
    'http-port': httpPort,
    'https-port': httpsPort,
    'healthz-port': healthzPort,
    'validating-webhook': webhook,
  };
  return Object.entries(ports).flatMap(([flag, port]) => (port === 0 ? [] : [{ port, flag: `--${flag}` }]));
}
