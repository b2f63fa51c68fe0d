package io.offheap;

import java.lang.invoke.MethodHandle;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.MethodType;
import java.net.SocketImpl;
import java.util.ArrayList;
import java.util.List;

/**
 * Method handles on one class of the JDK. What this JDK has not got is noted, not thrown, so that one message can name
 * it all. The receiver of each handle is a {@link SocketImpl}.
 */
final class Internals {

    /** May do anything, so it does not leave this class; handles on what was asked for do. */
    private final MethodHandles.Lookup lookup = SocketAccess.trustedLookup0();
    private final List<String> missing = new ArrayList<>();
    private final String name;
    private final Class<?> type;

    Internals(String name) {
        this.name = name;
        this.type = find(name);
        if (type == null) {
            missing.add(name);
        }
    }

    /** A class of the JDK, which is not initialised by this; null when there is none of that name. */
    static Class<?> find(String name) {
        try {
            return Class.forName(name, false, null);
        } catch (ClassNotFoundException absent) {
            return null;
        }
    }

    /** The names of what was asked for in vain; empty when all was there. */
    String missing() {
        return String.join(", ", missing);
    }

    Class<?> type() {
        return type;
    }

    /** Tells whether the class declares a method of that name and parameters. */
    boolean has(String method, Class<?>... parameters) {
        try {
            return type != null && type.getDeclaredMethod(method, parameters) != null;
        } catch (NoSuchMethodException absent) {
            return false;
        }
    }

    MethodHandle method(String method, Class<?> result, Class<?>... parameters) {
        MethodType signature = MethodType.methodType(result, parameters);
        return find(method + signature, () -> lookup.findVirtual(type, method, signature));
    }

    MethodHandle getter(String field, Class<?> fieldType) {
        return find(field, () -> lookup.findGetter(type, field, fieldType));
    }

    MethodHandle setter(String field, Class<?> fieldType) {
        return find(field, () -> lookup.findSetter(type, field, fieldType));
    }

    private MethodHandle find(String member, Search search) {
        if (type == null) {
            return null;
        }
        try {
            MethodHandle handle = search.run();
            return SocketImpl.class.isAssignableFrom(type)
                    ? handle.asType(handle.type().changeParameterType(0, SocketImpl.class))
                    : handle;
        } catch (ReflectiveOperationException absent) {
            missing.add(name + '.' + member);
            return null;
        }
    }

    private interface Search {
        MethodHandle run() throws ReflectiveOperationException;
    }
}
