package eu.fts.oracle;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.service.crl.OnlineCRLSource;
import eu.europa.esig.dss.service.ocsp.OnlineOCSPSource;
import eu.europa.esig.dss.service.tsp.OnlineTSPSource;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.aia.DefaultAIASource;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.List;

/** XAdES signatures (EN 319 132-1) by EU DSS: made, extended and renewed, with DSS's own choices of form. */
final class XmlSigner {

    /** {@code packaging} as DSS names it; without {@code pkcs8} the document's signatures are extended to the level. */
    record Request(
            String path,
            String output,
            String pkcs8,
            List<String> chain,
            String tsaUrl,
            String level,
            String packaging,
            List<String> anchors) {}

    record Answer(String output) {}

    Answer sign(Request request) throws IOException, GeneralSecurityException {
        XAdESService service = service(request);
        XAdESSignatureParameters parameters = new XAdESSignatureParameters();
        parameters.setSignatureLevel(SignatureLevel.valueOf("XAdES_BASELINE_" + request.level()));
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        DSSDocument document = new FileDocument(request.path());
        DSSDocument result;
        if (request.pkcs8() == null) {
            result = service.extendDocument(document, parameters);
        } else {
            SigningKey key = SigningKey.fromPkcs8(Path.of(request.pkcs8()), request.chain());
            parameters.setSignaturePackaging(SignaturePackaging.valueOf(request.packaging()));
            parameters.setSigningCertificate(key.entry().getCertificate());
            parameters.setCertificateChain(key.entry().getCertificateChain());
            SignatureValue value =
                    key.sign(service.getDataToSign(document, parameters), DigestAlgorithm.SHA256, key.entry());
            result = service.signDocument(document, parameters, value);
        }
        result.save(request.output());
        return new Answer(request.output());
    }

    private static XAdESService service(Request request) {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setTrustedCertSources(Certificates.anchors(request.anchors()));
        verifier.setAIASource(new DefaultAIASource(new KeptConnectionLoader(null)));
        verifier.setCrlSource(new OnlineCRLSource(new KeptConnectionLoader(null)));
        verifier.setOcspSource(new OnlineOCSPSource(new KeptConnectionLoader("application/ocsp-request")));
        XAdESService service = new XAdESService(verifier);
        service.setTspSource(
                new OnlineTSPSource(request.tsaUrl(), new KeptConnectionLoader("application/timestamp-query")));
        return service;
    }
}
