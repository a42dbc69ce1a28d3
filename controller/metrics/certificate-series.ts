// The certificate metrics of a routing table: one series per virtual host that has a certificate. Pure.
//
// Labels as ingress-nginx gives them (metrics-and-logs reference, "Certificate labels"): host `_` is the default
// certificate; `identifier` begins with the serial number attribute of the issuer's name, which is normally empty.

import type { CertificateInfo } from '#proxy/table/types.ts';
import type { TableVersion } from '../compile/table-version.ts';

export interface CertificateSeries {
  readonly expiresAtSeconds: number;
  /** Labels of `ssl_expire_time_seconds`. */
  readonly labels: Readonly<Record<'namespace' | 'class' | 'host' | 'secret_name' | 'identifier', string>>;
  /** What `ssl_certificate_info` adds to them. */
  readonly info: Readonly<
    Record<'issuer_organization' | 'issuer_common_name' | 'serial_number' | 'public_key_algorithm', string>
  >;
}

/** Lists the series of a table. Hosts that use the default certificate have none of their own. */
export function listCertificateSeries(table: TableVersion, controllerClass: string): readonly CertificateSeries[] {
  return table.virtualHosts.toArray().flatMap((host) => {
    const id = host.name === '_' ? table.global.defaultCertificate : host.certificate;
    const pair = id === null ? undefined : table.certificates.get(id);
    return pair === undefined ? [] : [seriesOf(pair.info, host.name, controllerClass)];
  });
}

function seriesOf(certificate: CertificateInfo, host: string, controllerClass: string): CertificateSeries {
  const [namespace = '', secretName = ''] = certificate.secret.split('/');
  return {
    expiresAtSeconds: Math.floor(certificate.notAfterMs / 1000),
    labels: {
      namespace,
      class: controllerClass,
      host,
      secret_name: secretName,
      identifier: `-${certificate.serialNumber}`,
    },
    info: {
      issuer_organization: certificate.issuerOrganization,
      issuer_common_name: certificate.issuerCommonName,
      serial_number: certificate.serialNumber,
      public_key_algorithm: certificate.publicKeyAlgorithm,
    },
  };
}
