package io.offheap;

import java.lang.management.ManagementFactory;
import javax.management.InstanceAlreadyExistsException;
import javax.management.JMException;
import javax.management.MBeanServer;
import javax.management.ObjectName;

/** All that needs the module java.management; nobody else names its classes, so that the others load without it. */
final class Management {

    private static final String NAME = "io.offheap:type=OffHeap";

    /** The name of the bean of these classes, once it is registered. */
    private static String registered;

    private Management() {}

    /** Registers the bean unless it is; its name. */
    static synchronized String register() {
        if (registered == null) {
            try {
                registered = register(ManagementFactory.getPlatformMBeanServer());
            } catch (JMException failure) {
                throw new IllegalStateException("the platform's MBean server refuses " + NAME, failure);
            }
        }
        return registered;
    }

    private static String register(MBeanServer server) throws JMException {
        String name = NAME;
        for (int next = 2; ; next++) {
            try {
                server.registerMBean(Figures.INSTANCE, new ObjectName(name));
                return name;
            } catch (InstanceAlreadyExistsException another) {
                // Of the same classes in another class loader.
                name = NAME + ",loader=" + next;
            }
        }
    }
}
