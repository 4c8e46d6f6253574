import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.stream.Collectors;
import software.amazon.awssdk.core.util.VersionInfo;
import software.amazon.awssdk.services.s3.S3Client;
import software.amazon.awssdk.services.s3.model.S3Object;

/** Lists a bucket with the SDK for Java 2.x and its default chain: BUCKET. It answers lines, as {@code lister.rs} says. */
final class ListBucket {
    private static String list(S3Client storage, String bucket, int calls) {
        try {
            var keys = "";
            for (; calls > 0; calls--) {
                var listed = storage.listObjectsV2(request -> request.bucket(bucket));
                keys = listed.contents().stream().map(S3Object::key).collect(Collectors.joining("|"));
            }
            return "ok " + keys;
        } catch (RuntimeException e) {
            return "error " + e.toString().replaceAll("\\s+", " ");
        }
    }

    public static void main(String[] args) throws Exception {
        var lines = new BufferedReader(new InputStreamReader(System.in));
        try (var storage = S3Client.builder().forcePathStyle(true).build()) {
            for (var line = lines.readLine(); line != null; line = lines.readLine()) {
                var version = "ok software.amazon.awssdk:s3 " + VersionInfo.SDK_VERSION;
                System.out.println(line.equals("version") ? version : list(storage, args[0], Integer.parseInt(line)));
            }
        }
    }
}
