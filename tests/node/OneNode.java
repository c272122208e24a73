import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.opensearch.Version;
import org.opensearch.analysis.common.CommonAnalysisModulePlugin;
import org.opensearch.common.settings.Settings;
import org.opensearch.core.common.transport.BoundTransportAddress;
import org.opensearch.env.Environment;
import org.opensearch.geo.GeoModulePlugin;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.index.mapper.MapperExtrasModulePlugin;
import org.opensearch.index.reindex.ReindexModulePlugin;
import org.opensearch.ingest.common.IngestCommonModulePlugin;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;
import org.opensearch.painless.PainlessModulePlugin;
import org.opensearch.plugins.Plugin;
import org.opensearch.plugins.PluginInfo;
import org.opensearch.transport.Netty4ModulePlugin;
import org.opensearch.transport.TransportService;

/**
 * One OpenSearch node: {@code java -cp JARS OneNode HOME}, where HOME/config/opensearch.yml has its settings.
 *
 * <p>Writes its ports to HOME/ports as soon as it listens: that of HTTP, and that of other nodes. Ends, and takes HOME
 * away, when its standard input ends: then nobody is left who could ask it anything.
 */
public final class OneNode extends Node {
    private static final List<Class<? extends Plugin>> MODULES = List.of(
        Netty4ModulePlugin.class,
        CommonAnalysisModulePlugin.class,
        PainlessModulePlugin.class,
        MapperExtrasModulePlugin.class,
        ReindexModulePlugin.class,
        IngestCommonModulePlugin.class,
        GeoModulePlugin.class
    );

    private OneNode(Environment environment) {
        super(environment, MODULES.stream().map(OneNode::described).toList(), true);
    }

    private static PluginInfo described(Class<? extends Plugin> module) {
        String name = module.getName(), java = Integer.toString(Runtime.version().feature());
        return new PluginInfo(name, "a module", "1", Version.CURRENT, java, name, List.of(), false);
    }

    public static void main(String[] arguments) {
        Path home = Path.of(arguments[0]).toAbsolutePath();
        // also what keeps the process alive: a node's own threads do not
        new Thread(() -> endWithInput(home), "input").start();
        try {
            start(home);
        } catch (Throwable failed) {
            failed.printStackTrace();
            Runtime.getRuntime().halt(1);
        }
    }

    private static void start(Path home) throws Exception {
        Settings settings = Settings.builder().put("path.home", home).build();
        Path config = home.resolve("config");
        OneNode node = new OneNode(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), config, null));
        node.start();
        int http = port(node.injector().getInstance(HttpServerTransport.class).boundAddress());
        int transport = port(node.injector().getInstance(TransportService.class).boundAddress());
        Path written = Files.writeString(home.resolve("ports.part"), http + " " + transport);
        Files.move(written, home.resolve("ports"), StandardCopyOption.ATOMIC_MOVE);
    }

    private static int port(BoundTransportAddress address) {
        return address.publishAddress().getPort();
    }

    private static void endWithInput(Path home) {
        try {
            System.in.transferTo(OutputStream.nullOutputStream());
            for (int attempts = 0; attempts < 5 && Files.exists(home); attempts++) {
                remove(home);
            }
        } catch (IOException unreadable) {
            unreadable.printStackTrace();
        } finally {
            Runtime.getRuntime().halt(0);
        }
    }

    /** As far as it goes: the node, which nobody has told, may write a file while its folder is taken away. */
    private static void remove(Path folder) {
        try (Stream<Path> paths = Files.walk(folder)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        } catch (IOException | UncheckedIOException leftOver) {
            leftOver.printStackTrace();
        }
    }
}
