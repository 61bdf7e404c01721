import { execFileSync } from 'node:child_process';

/** Why no file system can be mounted here. Without one that is small, nothing of this can be seen. */
export const unmountable = ((): boolean => {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], { stdio: 'ignore' });
    return false;
  } catch {
    process.stderr.write(
      '\nNot tested: full and read-only disks, because nothing can be mounted in a namespace of its own (unshare -rm).\n',
    );
    return true;
  }
})();
