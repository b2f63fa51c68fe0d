/* A JNI library on the C face, with no JNI_OnLoad of its own: the JVM finds liboffheap's. */
#include "../../include/offheap.h"

#include <errno.h>
#include <jni.h>
#include <pthread.h>

JNIEXPORT jlong JNICALL Java_Dependent_maxMemory(JNIEnv *env, jclass class) {
    (void)env, (void)class;
    return offheap_max_memory();
}

static void *reserve(void *bytes) {
    *(int64_t *)bytes = reserveMemory(*(int64_t *)bytes, *(int64_t *)bytes);
    return NULL;
}

/* Reserves on a thread of which the JVM knows nothing. */
JNIEXPORT jint JNICALL Java_Dependent_reserveOnThread(JNIEnv *env, jclass class, jlong bytes) {
    pthread_t thread;
    int64_t value = bytes;
    (void)env, (void)class;
    int failed = pthread_create(&thread, NULL, reserve, &value);
    if (failed == 0) {
        failed = pthread_join(thread, NULL);
    }
    return failed != 0 ? failed : (jint)value;
}
