package eu.fts.oracle;

import eu.europa.esig.dss.asic.xades.ASiCWithXAdESSignatureParameters;
import eu.europa.esig.dss.asic.xades.signature.ASiCWithXAdESService;
import eu.europa.esig.dss.enumerations.ASiCContainerType;
import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import java.io.IOException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.util.ArrayList;
import java.util.List;

/** ASiC containers with XAdES (EN 319 162-1) by EU DSS: made, signed once more, extended and renewed. */
final class ContainerSigner {

    /**
     * {@code container} is {@code ASiC_E} or {@code ASiC_S}; {@code paths} are the files, or one container that gets
     * another signature; without {@code pkcs8} the signatures of that container are extended to the level.
     */
    record Request(
            List<String> paths,
            String output,
            String pkcs8,
            List<String> chain,
            String tsaUrl,
            String level,
            String container,
            List<String> anchors) {}

    record Answer(String output) {}

    Answer sign(Request request) throws IOException, GeneralSecurityException {
        ASiCWithXAdESService service = new ASiCWithXAdESService(OnlineServices.verifier(request.anchors()));
        service.setTspSource(OnlineServices.timestamps(request.tsaUrl()));
        ASiCWithXAdESSignatureParameters parameters = new ASiCWithXAdESSignatureParameters();
        parameters.aSiC().setContainerType(ASiCContainerType.valueOf(request.container()));
        parameters.setSignatureLevel(SignatureLevel.valueOf("XAdES_BASELINE_" + request.level()));
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        List<DSSDocument> documents = new ArrayList<>();
        request.paths().forEach(path -> documents.add(new FileDocument(path)));
        DSSDocument result;
        if (request.pkcs8() == null) {
            result = service.extendDocument(documents.get(0), parameters);
        } else {
            SigningKey key = SigningKey.fromPkcs8(Path.of(request.pkcs8()), request.chain());
            parameters.setSigningCertificate(key.entry().getCertificate());
            parameters.setCertificateChain(key.entry().getCertificateChain());
            SignatureValue value =
                    key.sign(service.getDataToSign(documents, parameters), DigestAlgorithm.SHA256, key.entry());
            result = service.signDocument(documents, parameters, value);
        }
        result.save(request.output());
        return new Answer(request.output());
    }
}
