package eu.fts.oracle;

import eu.europa.esig.dss.service.http.commons.CommonsDataLoader;
import org.apache.hc.client5.http.classic.methods.HttpUriRequestBase;
import org.apache.hc.client5.http.impl.classic.CloseableHttpClient;

/** DSS's HTTP loader with one client for its life: DSS makes a client, a TLS context and a connection per request. */
final class KeptConnectionLoader extends CommonsDataLoader {

    private static final long serialVersionUID = 1L;

    private transient CloseableHttpClient client;

    /** {@code contentType} is that of posted requests, or null for a loader that only gets. */
    KeptConnectionLoader(String contentType) {
        super(contentType);
    }

    @Override
    protected synchronized CloseableHttpClient getHttpClient(String url) {
        if (client == null) {
            client = super.getHttpClient(url);
        }
        return client;
    }

    @Override
    protected void closeQuietly(HttpUriRequestBase request, CloseableHttpClient ignored) {
        // the client serves the next request
    }
}
