/* Binds the natives of java.net's socket streams (JDK 8, 11; 17 with
 * -Djdk.net.usePlainSocketImpl) to the functions that liboffheap exports under the JDK's symbols.
 * The differential tests load it into an otherwise stock JVM. */
#include <jni.h>
#include <stdio.h>

JNIEXPORT void JNICALL Java_java_net_SocketOutputStream_init(JNIEnv *, jclass);
JNIEXPORT void JNICALL Java_java_net_SocketOutputStream_socketWrite0(JNIEnv *, jobject, jobject, jbyteArray, jint, jint);
JNIEXPORT void JNICALL Java_java_net_SocketInputStream_init(JNIEnv *, jclass);
JNIEXPORT jint JNICALL Java_java_net_SocketInputStream_socketRead0(JNIEnv *, jobject, jobject, jbyteArray, jint, jint, jint);

static int bind(JNIEnv *env, const char *name, const JNINativeMethod *methods) {
    jclass class = (*env)->FindClass(env, name);
    if (class == NULL || (*env)->RegisterNatives(env, class, methods, 2) != JNI_OK) {
        return 0;
    }
    jmethodID init = (*env)->GetStaticMethodID(env, class, "init", "()V");
    if (init == NULL) {
        return 0;
    }
    (*env)->CallStaticVoidMethod(env, class, init);
    return !(*env)->ExceptionCheck(env);
}

JNIEXPORT jint JNICALL JNI_OnLoad(JavaVM *vm, void *reserved) {
    static const JNINativeMethod output[] = {
        {"init", "()V", (void *)Java_java_net_SocketOutputStream_init},
        {"socketWrite0", "(Ljava/io/FileDescriptor;[BII)V", (void *)Java_java_net_SocketOutputStream_socketWrite0},
    };
    static const JNINativeMethod input[] = {
        {"init", "()V", (void *)Java_java_net_SocketInputStream_init},
        {"socketRead0", "(Ljava/io/FileDescriptor;[BIII)I", (void *)Java_java_net_SocketInputStream_socketRead0},
    };
    JNIEnv *env;
    (void)reserved;
    if ((*vm)->GetEnv(vm, (void **)&env, JNI_VERSION_1_8) != JNI_OK) {
        return JNI_ERR;
    }
    if (!bind(env, "java/net/SocketOutputStream", output) || !bind(env, "java/net/SocketInputStream", input)) {
        return JNI_ERR;
    }
    fprintf(stderr, "rebind: bound\n");
    return JNI_VERSION_1_8;
}
