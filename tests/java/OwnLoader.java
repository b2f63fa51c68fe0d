import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;

/** Runs {@link LoadLibrary} from a class loader that has its own classes in the folder of the first argument. */
public final class OwnLoader extends ClassLoader {

    private final Path folder;

    private OwnLoader(Path folder) {
        this.folder = folder;
    }

    public static void main(String[] args) throws Exception {
        Class<?> main = new OwnLoader(Paths.get(args[0])).loadClass("LoadLibrary");
        main.getMethod("main", String[].class).invoke(null, (Object) new String[] {args[1]});
    }

    @Override
    protected Class<?> loadClass(String name, boolean resolve) throws ClassNotFoundException {
        String file = name.replace('.', '/') + ".class";
        Path own = folder.resolve(file);
        Path path = Files.exists(own) ? own : Paths.get(System.getProperty("java.class.path")).resolve(file);
        if (!Files.exists(path)) {
            return super.loadClass(name, resolve);
        }
        try {
            byte[] bytes = Files.readAllBytes(path);
            return defineClass(name, bytes, 0, bytes.length);
        } catch (IOException unreadable) {
            throw new ClassNotFoundException(name, unreadable);
        }
    }
}
