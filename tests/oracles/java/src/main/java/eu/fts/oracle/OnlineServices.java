package eu.fts.oracle;

import eu.europa.esig.dss.service.crl.FileCacheCRLSource;
import eu.europa.esig.dss.service.crl.OnlineCRLSource;
import eu.europa.esig.dss.service.http.commons.FileCacheDataLoader;
import eu.europa.esig.dss.service.ocsp.OnlineOCSPSource;
import eu.europa.esig.dss.service.tsp.OnlineTSPSource;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.aia.DefaultAIASource;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

/**
 * The services of an ordinary DSS deployment: HTTP connections are kept, CRLs and CA certificates are cached in files
 * until they expire, OCSP responses are fetched for each signature.
 */
final class OnlineServices {

    private OnlineServices() {}

    static CommonCertificateVerifier verifier(List<String> anchors) throws IOException {
        Path cache = Files.createTempDirectory("revocation-");
        FileCacheCRLSource crls = new FileCacheCRLSource(new OnlineCRLSource(new KeptConnectionLoader(null)));
        crls.setFileCacheDirectory(cache.resolve("crl").toFile());
        FileCacheDataLoader issuers = new FileCacheDataLoader(new KeptConnectionLoader(null));
        issuers.setFileCacheDirectory(cache.resolve("aia").toFile());

        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setTrustedCertSources(Certificates.anchors(anchors));
        verifier.setAIASource(new DefaultAIASource(issuers));
        verifier.setCrlSource(crls);
        verifier.setOcspSource(new OnlineOCSPSource(new KeptConnectionLoader("application/ocsp-request")));
        return verifier;
    }

    static OnlineTSPSource timestamps(String url) {
        return new OnlineTSPSource(url, new KeptConnectionLoader("application/timestamp-query"));
    }
}
