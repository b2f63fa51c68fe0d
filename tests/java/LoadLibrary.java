/** Loads the JNI library that its argument names, and says so. */
public final class LoadLibrary {

    private LoadLibrary() {}

    public static void main(String[] args) {
        System.load(args[0]);
        System.out.println("loaded");
    }
}
