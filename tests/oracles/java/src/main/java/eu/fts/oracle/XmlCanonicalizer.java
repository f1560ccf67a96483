package eu.fts.oracle;

import java.io.ByteArrayOutputStream;
import java.io.File;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import javax.xml.XMLConstants;
import javax.xml.parsers.DocumentBuilderFactory;
import org.apache.xml.security.Init;
import org.apache.xml.security.c14n.Canonicalizer;
import org.apache.xml.security.utils.XMLUtils;
import org.w3c.dom.Document;
import org.w3c.dom.Element;
import org.w3c.dom.Node;
import org.w3c.dom.NodeList;

/** Canonical forms by Apache Santuario, which shares no code with libxml2. */
final class XmlCanonicalizer {

    /** {@code algorithm} is the URI; {@code prefixes} is the PrefixList of the exclusive form, or null. */
    record Request(String path, String algorithm, String prefixes) {}

    /** Base64 of the canonical form of every element in its place, in document order. */
    record Answer(List<String> elements) {}

    XmlCanonicalizer() {
        Init.init();
    }

    Answer canonicalize(Request request) throws Exception {
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setNamespaceAware(true);
        factory.setFeature(XMLConstants.FEATURE_SECURE_PROCESSING, true);
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        Document document = factory.newDocumentBuilder().parse(new File(request.path()));
        boolean asNodeSet = request.algorithm().startsWith(Canonicalizer.ALGO_ID_C14N11_OMIT_COMMENTS);
        if (asNodeSet) {
            XMLUtils.circumventBug2650(document);
        }
        NodeList elements = document.getElementsByTagName("*");
        List<String> forms = new ArrayList<>();
        for (int index = 0; index < elements.getLength(); index++) {
            ByteArrayOutputStream form = new ByteArrayOutputStream();
            Element element = (Element) elements.item(index);
            // new for each element: a second call of one instance would leave out inherited namespaces
            Canonicalizer canonicalizer = Canonicalizer.getInstance(request.algorithm());
            if (asNodeSet) {
                // for a subtree Santuario does not join xml:base, which is what C14N 1.1 is about
                Set<Node> nodes = new LinkedHashSet<>();
                XMLUtils.getSet(element, nodes, null, request.algorithm().endsWith("WithComments"));
                canonicalizer.canonicalizeXPathNodeSet(nodes, form);
            } else if (request.prefixes() == null) {
                canonicalizer.canonicalizeSubtree(element, form);
            } else {
                canonicalizer.canonicalizeSubtree(element, request.prefixes(), form);
            }
            forms.add(Base64.getEncoder().encodeToString(form.toByteArray()));
        }
        return new Answer(forms);
    }
}
