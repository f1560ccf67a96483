import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.ToBeSigned;
import eu.europa.esig.dss.service.crl.OnlineCRLSource;
import eu.europa.esig.dss.service.http.commons.CommonsDataLoader;
import eu.europa.esig.dss.service.http.commons.OCSPDataLoader;
import eu.europa.esig.dss.service.http.commons.TimestampDataLoader;
import eu.europa.esig.dss.service.ocsp.OnlineOCSPSource;
import eu.europa.esig.dss.service.tsp.OnlineTSPSource;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.token.DSSPrivateKeyEntry;
import eu.europa.esig.dss.token.Pkcs12SignatureToken;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESCounterSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.io.File;
import java.security.KeyStore.PasswordProtection;

/**
 * Forms of XAdES outside the baseline by EU DSS: `LEVEL INPUT OUTPUT ANCHOR TSA` extends to XAdES_C, XAdES_X, XAdES_XL or
 * XAdES_A; `COUNTER INPUT OUTPUT ANCHOR TSA P12 PASSWORD SIGNATURE` counter-signs a signature.
 */
public final class DssForms {

    public static void main(String[] arguments) throws Exception {
        DSSDocument document = new FileDocument(arguments[1]);
        XAdESService service = service(arguments[3], arguments[4]);
        DSSDocument made = arguments[0].equals("COUNTER")
                ? counterSigned(service, document, arguments)
                : service.extendDocument(document, parameters(SignatureLevel.valueOf(arguments[0])));
        made.save(arguments[2]);
    }

    private static DSSDocument counterSigned(XAdESService service, DSSDocument document, String[] arguments)
            throws Exception {
        PasswordProtection password = new PasswordProtection(arguments[6].toCharArray());
        try (Pkcs12SignatureToken token = new Pkcs12SignatureToken(new File(arguments[5]), password)) {
            DSSPrivateKeyEntry key = token.getKeys().get(0);
            XAdESCounterSignatureParameters parameters = new XAdESCounterSignatureParameters();
            parameters.setSignatureLevel(SignatureLevel.XAdES_BASELINE_B);
            parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
            parameters.setSigningCertificate(key.getCertificate());
            parameters.setCertificateChain(key.getCertificateChain());
            parameters.setSignatureIdToCounterSign(arguments[7]);
            ToBeSigned data = service.getDataToBeCounterSigned(document, parameters);
            SignatureValue value = token.sign(data, parameters.getDigestAlgorithm(), key);
            return service.counterSignSignature(document, parameters, value);
        }
    }

    private static XAdESSignatureParameters parameters(SignatureLevel level) {
        XAdESSignatureParameters parameters = new XAdESSignatureParameters();
        parameters.setSignatureLevel(level);
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        return parameters;
    }

    private static XAdESService service(String anchor, String tsa) {
        CommonTrustedCertificateSource anchors = new CommonTrustedCertificateSource();
        anchors.addCertificate(DSSUtils.loadCertificate(new File(anchor)));
        CommonCertificateVerifier verifier = new CommonCertificateVerifier();
        verifier.setTrustedCertSources(anchors);
        verifier.setCrlSource(new OnlineCRLSource(new CommonsDataLoader()));
        verifier.setOcspSource(new OnlineOCSPSource(new OCSPDataLoader()));
        XAdESService service = new XAdESService(verifier);
        service.setTspSource(new OnlineTSPSource(tsa, new TimestampDataLoader()));
        return service;
    }
}
