import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.StringJoiner;
import java.util.TreeSet;

import org.apache.cassandra.config.DatabaseDescriptor;
import org.apache.cassandra.db.ConsistencyLevel;
import org.apache.cassandra.dht.Murmur3Partitioner;
import org.apache.cassandra.dht.Range;
import org.apache.cassandra.dht.Token;
import org.apache.cassandra.locator.AbstractEndpointSnitch;
import org.apache.cassandra.locator.AbstractReplicationStrategy;
import org.apache.cassandra.locator.EndpointsByRange;
import org.apache.cassandra.locator.EndpointsForToken;
import org.apache.cassandra.locator.InetAddressAndPort;
import org.apache.cassandra.locator.NetworkTopologyStrategy;
import org.apache.cassandra.locator.Replica;
import org.apache.cassandra.locator.SimpleStrategy;
import org.apache.cassandra.locator.TokenMetadata;

/**
 * Draws rings, lets Cassandra's own classes place the replicas and compute the pending ranges, and prints what they said as
 * JSON, one ring a line. Arguments: how many rings, and the seed.
 */
public final class Placement {
    private static final class Node {
        InetAddressAndPort address;
        String dc;
        String rack;
        String status = "NORMAL";
        String replacing = "";
        final List<Token> tokens = new ArrayList<>();
    }

    private final Random random;
    private final Map<InetAddressAndPort, Node> byAddress = new HashMap<>();
    private final List<Node> nodes = new ArrayList<>();
    private final List<String> dcs = new ArrayList<>();
    private final TokenMetadata ring;
    private int members;
    private final AbstractEndpointSnitch snitch = new AbstractEndpointSnitch() {
        @Override
        public String getRack(InetAddressAndPort at) {
            return byAddress.get(at).rack;
        }

        @Override
        public String getDatacenter(InetAddressAndPort at) {
            return byAddress.get(at).dc;
        }

        @Override
        public int compareEndpoints(InetAddressAndPort target, Replica a, Replica b) {
            return 0;
        }
    };

    private Placement(long seed) {
        random = new Random(seed);
        DatabaseDescriptor.setEndpointSnitch(snitch);
        ring = new TokenMetadata(snitch);
    }

    public static void main(String[] args) throws Exception {
        DatabaseDescriptor.clientInitialization();
        DatabaseDescriptor.setPartitionerUnsafe(Murmur3Partitioner.instance);
        long seed = Long.parseLong(args[1]);
        for (int i = 0; i < Integer.parseInt(args[0]); seed++) {
            try {
                System.out.println(new Placement(seed).record());
                i++;
            } catch (IllegalArgumentException e) {
                // "Conflicting replica added": two movements at once for which Cassandra's write path fails, too.
            }
        }
    }

    private int between(int low, int high) {
        return low + random.nextInt(high - low + 1);
    }

    private Token token() {
        return new Murmur3Partitioner.LongToken(random.nextLong());
    }

    private String record() throws Exception {
        draw();
        StringJoiner keyspaces = new StringJoiner(",", "[", "]");
        for (int i = 0; i < 2; i++)
            keyspaces.add(keyspace("ks" + i));
        StringJoiner list = new StringJoiner(",", "[", "]");
        for (Node n : nodes) {
            StringJoiner tokens = new StringJoiner(",", "[", "]");
            n.tokens.forEach(t -> tokens.add(t.toString()));
            list.add(String.format("{\"address\":\"%s\",\"dc\":\"%s\",\"rack\":\"%s\",\"status\":\"%s\",\"replacing\":\"%s\",\"tokens\":%s}",
                                   n.address.getHostAddress(false), n.dc, n.rack, n.status, n.replacing, tokens));
        }
        return String.format("{\"nodes\":%s,\"keyspaces\":%s}", list, keyspaces);
    }

    /** Nodes with racks and tokens, and often some that join, leave, move or replace. */
    private void draw() throws Exception {
        int racks = between(1, 4), vnodes = between(1, 4);
        members = between(1, 10);
        for (int i = between(1, 3); i > 0; i--)
            dcs.add("dc" + i);
        for (int i = 0; i < members; i++) {
            Node n = node(racks);
            for (int j = 0; j < vnodes; j++)
                n.tokens.add(token());
            ring.updateNormalTokens(n.tokens, n.address);
        }
        for (int i = between(0, 2); i > 0; i--)
            change(racks, vnodes);
    }

    private Node node(int racks) throws Exception {
        Node n = new Node();
        n.address = InetAddressAndPort.getByName("10.0.0." + (nodes.size() + 1));
        n.dc = dcs.get(random.nextInt(dcs.size()));
        n.rack = "r" + between(1, racks);
        nodes.add(n);
        byAddress.put(n.address, n);
        return n;
    }

    private void change(int racks, int vnodes) throws Exception {
        Node old = nodes.get(random.nextInt(nodes.size()));
        boolean untouched = old.status.equals("NORMAL") && !old.tokens.isEmpty();
        switch (random.nextInt(4)) {
            case 0: {
                Node n = node(racks);
                n.status = "JOINING";
                for (int j = 0; j < vnodes; j++)
                    n.tokens.add(token());
                ring.addBootstrapTokens(n.tokens, n.address);
                return;
            }
            case 1: {
                if (!untouched || members < 3) // somebody has to stay
                    return;
                old.status = "LEAVING";
                ring.addLeavingEndpoint(old.address);
                return;
            }
            case 2: {
                if (!untouched || old.tokens.size() > 1)
                    return;
                old.status = "MOVING";
                ring.addMovingEndpoint(token(), old.address);
                return;
            }
            default: {
                if (!untouched)
                    return;
                Node n = node(racks);
                n.dc = old.dc;
                n.status = "JOINING";
                n.replacing = old.address.getHostAddress(false);
                n.tokens.addAll(old.tokens);
                ring.addReplaceTokens(n.tokens, n.address, old.address);
                old.tokens.clear(); // as the token map shows it over JMX
                old.status = "NORMAL";
            }
        }
    }

    /** One replication setting, and what Cassandra makes of it at the end of each range. */
    private String keyspace(String name) throws Exception {
        Map<String, String> options = new LinkedHashMap<>();
        AbstractReplicationStrategy strategy;
        if (random.nextInt(4) == 0) {
            options.put("replication_factor", String.valueOf(between(1, 5)));
            strategy = new SimpleStrategy(name, ring, snitch, options);
        } else {
            for (String dc : dcs)
                if (options.isEmpty() || random.nextInt(3) > 0)
                    options.put(dc, String.valueOf(between(1, 5)));
            strategy = new NetworkTopologyStrategy(name, ring, snitch, new LinkedHashMap<>(options));
        }
        ring.calculatePendingRanges(strategy, name);
        TokenMetadata natural = ring.cloneOnlyTokenMap();
        Set<Token> ends = new TreeSet<>(natural.sortedTokens());
        StringJoiner pending = new StringJoiner(",", "[", "]");
        EndpointsByRange ranges = ring.getPendingRangesMM(name);
        for (Range<Token> r : ranges.keySet()) {
            ends.add(r.left);
            ends.add(r.right);
            for (Replica to : ranges.get(r))
                pending.add(String.format("{\"start\":%s,\"end\":%s,\"address\":\"%s\"}", r.left, r.right, to.endpoint().getHostAddress(false)));
        }
        StringJoiner rows = new StringJoiner(",", "[", "]");
        for (Token end : ends) {
            Collection<InetAddressAndPort> here = strategy.calculateNaturalReplicas(end, natural).endpoints();
            EndpointsForToken moving = ring.pendingEndpointsForToken(end, name).without(Set.copyOf(here));
            rows.add(String.format("{\"end\":%s,\"natural\":%s,\"pending\":%s,\"quorum\":%d}", end, indices(here), indices(moving.endpoints()),
                                   ConsistencyLevel.QUORUM.blockForWrite(strategy, moving)));
        }
        StringJoiner rf = new StringJoiner(",", "{", "}");
        boolean simple = strategy instanceof SimpleStrategy;
        options.forEach((dc, n) -> rf.add(String.format("\"%s\":%s", simple ? "" : dc, n)));
        return String.format("{\"name\":\"%s\",\"strategy\":\"%s\",\"rf\":%s,\"pending\":%s,\"rows\":%s}",
                             name, strategy.getClass().getSimpleName(), rf, pending, rows);
    }

    private String indices(Collection<InetAddressAndPort> of) {
        StringJoiner out = new StringJoiner(",", "[", "]");
        for (int i = 0; i < nodes.size(); i++)
            if (of.contains(nodes.get(i).address))
                out.add(String.valueOf(i));
        return out.toString();
    }
}
