package eu.fts.oracle;

import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import java.io.File;
import java.util.List;

/** Certificate files, DER or PEM, one certificate each. */
final class Certificates {

    private Certificates() {}

    static CertificateToken[] chain(List<String> paths) {
        return paths.stream()
                .map(path -> DSSUtils.loadCertificate(new File(path)))
                .toArray(CertificateToken[]::new);
    }

    static CommonTrustedCertificateSource anchors(List<String> paths) {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        for (CertificateToken anchor : chain(paths)) {
            anchors.addCertificate(anchor);
        }
        return anchors;
    }
}
