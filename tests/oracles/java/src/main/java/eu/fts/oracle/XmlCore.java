package eu.fts.oracle;

import java.io.File;
import java.security.cert.X509Certificate;
import java.util.ArrayList;
import java.util.List;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.xml.security.Init;
import org.apache.xml.security.signature.Manifest;
import org.apache.xml.security.signature.XMLSignature;
import org.apache.xml.security.utils.Constants;
import org.apache.xml.security.utils.resolver.implementations.ResolverLocalFilesystem;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.NodeList;

/** The core of XML signatures (XMLDSig, clause 3.2) by Apache Santuario alone: references, manifests and values. */
final class XmlCore {

    /** Detached documents are looked for beside the file. */
    record Request(String path) {}

    /** What is wrong, a sentence each; empty where every signature and each of its references holds. */
    record Answer(int signatures, List<String> problems) {}

    XmlCore() {
        Init.init();
    }

    Answer verify(Request request) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        File file = new File(request.path());
        Document document = factory.newDocumentBuilder().parse(file);
        identify(document);
        NodeList found = document.getElementsByTagNameNS(Constants.SignatureSpecNS, "Signature");
        List<String> problems = new ArrayList<>();
        for (int index = 0; index < found.getLength(); index++) {
            problems.addAll(judge((Element) found.item(index), file));
        }
        return new Answer(found.getLength(), problems);
    }

    private static List<String> judge(Element element, File file) throws Exception {
        XMLSignature signature = new XMLSignature(element, file.toURI().toString());
        signature.addResourceResolver(new ResolverLocalFilesystem());
        List<String> problems = new ArrayList<>();
        X509Certificate certificate = signature.getKeyInfo().getX509Certificate();
        if (!signature.checkSignatureValue(certificate)) {
            problems.add("the signature does not hold");
        }
        // a manifest is verified by itself: followed by the signature, it would not know where files are
        NodeList manifests = element.getElementsByTagNameNS(Constants.SignatureSpecNS, "Manifest");
        for (int index = 0; index < manifests.getLength(); index++) {
            Manifest manifest = new Manifest((Element) manifests.item(index), file.toURI().toString());
            manifest.addResourceResolver(new ResolverLocalFilesystem());
            if (!manifest.verifyReferences()) {
                problems.add("a reference of the manifest does not hold");
            }
        }
        return problems;
    }

    private static void identify(Document document) {
        NodeList elements = document.getElementsByTagName("*");
        for (int index = 0; index < elements.getLength(); index++) {
            Element element = (Element) elements.item(index);
            if (element.hasAttributeNS(null, "Id")) {
                element.setIdAttributeNS(null, "Id", true);
            }
        }
    }
}
